"""A province for the demo: pure, seeded, and marked as made up in every name.

The cities are Shanxi's eleven; organisations, centres, prices and people are invented.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from jinsuan.kernel.ref import Role
from jinsuan.kernel.uscc import check_character
from jinsuan.metering.rating import CPU, MEMORY, card
from jinsuan.registry.capacity import Machine

SEED = 35
"""The document's number, so that everybody's demo is the same."""

CITIES = (
    ("140100", "太原"),
    ("140200", "大同"),
    ("140300", "阳泉"),
    ("140400", "长治"),
    ("140500", "晋城"),
    ("140600", "朔州"),
    ("140700", "晋中"),
    ("140800", "运城"),
    ("140900", "忻州"),
    ("141000", "临汾"),
    ("141100", "吕梁"),
)

# Card model, memory per node in GiB, cores per node, and yuan per card-hour in thousandths of a fen.
MODELS = (
    ("Ascend 910B3", 1024, 192, 1_150_000),
    ("Ascend 910B2", 1024, 192, 1_280_000),
    ("DCU K100_AI", 512, 128, 780_000),
    ("C500 PCIe (曦云C500)", 512, 128, 960_000),
    ("A800-SXM4-80GB", 1024, 128, 1_900_000),
    ("T4-16GB", 256, 96, 210_000),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Organisation:
    """An invented organisation."""

    key: str
    name: str
    uscc: str
    kind: str
    adcode: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """An invented person with one log-in."""

    username: str
    name: str
    organisation: str
    role: Role


@dataclass(frozen=True, slots=True, kw_only=True)
class Centre:
    """An invented centre with its nodes and prices (thousandths of a fen per unit-hour)."""

    code: str
    name: str
    owner: str
    adcode: str
    kind: str
    network: str
    industry: str
    nodes: tuple[Machine, ...]
    prices: dict[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Province:
    """Everything the demo begins with."""

    organisations: tuple[Organisation, ...]
    people: tuple[Person, ...]
    centres: tuple[Centre, ...]


def _uscc(number: int) -> str:
    """A code with a right check character, in a range that no register gives out."""
    body = f"91140000DEM{number:06d}"
    return body + check_character(body)


def make_province() -> Province:
    """The same province every time."""
    random = Random(SEED)  # noqa: S311 - a made-up province, the same every time
    return Province(
        organisations=tuple(_organisations()),
        people=tuple(_people()),
        centres=tuple(_centre(i, random) for i in range(12)),
    )


def _organisations() -> Iterator[Organisation]:
    rows = (
        ("bureau", "演示省数据局", "government", "140100"),
        ("finance", "演示省财政厅", "government", "140100"),
        ("audit", "演示省审计厅", "government", "140100"),
        ("platform", "演示算力运营公司", "company", "140100"),
        ("provider-a", "演示云算科技公司", "company", "140100"),
        ("provider-b", "演示北方智算公司", "company", "140200"),
        ("provider-c", "演示绿能数据公司", "company", "140900"),
        ("university", "演示理工大学", "university", "140700"),
        ("institute", "演示煤化所", "institute", "140100"),
        ("startup", "演示大模型公司", "company", "140100"),
    )
    for number, (key, name, kind, adcode) in enumerate(rows, start=1):
        yield Organisation(key=key, name=name, uscc=_uscc(number), kind=kind, adcode=adcode)


def _people() -> Iterator[Person]:
    rows = (
        ("officer", "王经办", "bureau", Role.PROVINCIAL_OFFICER),
        ("treasury", "李财政", "finance", Role.TREASURY),
        ("auditor", "赵审计", "audit", Role.AUDITOR),
        ("operator", "孙运营", "platform", Role.PLATFORM_OPERATOR),
        ("centre", "钱中心", "provider-a", Role.CENTRE_OPERATOR),
        ("researcher", "周研究员", "university", Role.TENANT),
        ("engineer", "吴工程师", "startup", Role.TENANT),
    )
    for username, name, organisation, role in rows:
        yield Person(username=username, name=name, organisation=organisation, role=role)


def _centre(index: int, random: Random) -> Centre:
    adcode, city = CITIES[index % len(CITIES)]
    model, memory_gib, cores, price = MODELS[index % len(MODELS)]
    plain = index in (5, 10)
    nodes = tuple(
        Machine(
            name=f"d{index + 1:02d}-{n:02d}",
            model=None if plain else model,
            cards=0 if plain else 8,
            cpu_milli=cores * 1000,
            memory_mib=memory_gib * 1024,
        )
        for n in range(1, random.randint(3, 8) + 1)
    )
    swing = random.randint(90, 112)
    prices = {CPU: 60 * swing, MEMORY: 10 * swing}
    if not plain:
        prices[card(model)] = price * swing // 100
    return Centre(
        code=f"D{index + 1:02d}",
        name=f"演示{city}{'通用' if plain else '智能'}算力中心{index // len(CITIES) + 1}",
        owner=("provider-a", "provider-b", "provider-c")[index % 3],
        adcode=adcode,
        kind="通算" if plain else "智算",
        network=("电信", "联通", "移动")[index % 3],
        industry="通用",
        nodes=nodes,
        prices=prices,
    )
