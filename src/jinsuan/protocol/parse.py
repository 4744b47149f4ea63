"""Read a job specification, strictly. Every problem is found in one pass and none is guessed at.

Numbers may come as whole numbers or as text, never as binary fractions: a loader hands "0.5" over
as text (see client.specfile). Unknown keys are refused, with the nearest known one as a hint. A
key without a value (`image:` and nothing behind it) counts as not written.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Any, TypeVar

from jinsuan.protocol import values
from jinsuan.protocol.errors import Problem, SpecInvalid
from jinsuan.protocol.spec import Accelerators, Budget, JobSpec, Resources, Where

MAX_NAME_BYTES = 120
MAX_RUN_BYTES = 64 * 1024
MAX_IMAGE_BYTES = 500
MAX_NODES = 1024
MAX_ENV_CHARACTERS = 32 * 1024
MAX_LABEL_CHARACTERS = 200
MAX_PAIRS = 256
MAX_LIST = 100
MAX_PROBLEMS = 100

_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_WORD = re.compile(r".{1,80}")
VOUCHER_PATTERN = r"auto|none|voucher_[0-7][0-9a-hjkmnp-tv-z]{25}"
_VOUCHER = re.compile(VOUCHER_PATTERN)
_TOP = frozenset(
    {
        *("name", "run", "num_nodes", "resources", "envs", "image"),
        *("max_duration", "budget", "placement", "priority", "labels"),
    }
)
_RESOURCES = frozenset({"accelerators", "cpus", "memory"})
_BUDGET = frozenset({"total", "currency", "voucher"})
_PLACEMENT = frozenset({"require", "exclude"})
_REQUIRE = frozenset({"city", "centre", "domestic"})
_ELSEWHERE = {
    "commands": "run",
    "command": "run",
    "script": "run",
    "setup": "run（准备步骤写在开头）",
    "time": "max_duration",
    "time_limit": "max_duration",
    "gpu": "resources.accelerators",
    "gpus": "resources.accelerators",
    "gres": "resources.accelerators",
    "mem": "resources.memory",
    "nodes": "num_nodes",
    "instances": "num_nodes",
    "tags": "labels",
    "max_price": "budget.total",
    "max_hourly_cost": "budget.total",
    "per_hour": "budget.total",
    "region": "placement.require.city",
}
"""What the same thing is called elsewhere (sbatch, SkyPilot, dstack, OpenPAI) and here."""

T = TypeVar("T")


def parse_spec(raw: object) -> JobSpec:
    """Turn what a tenant wrote into a JobSpec.

    Raises:
        SpecInvalid: with every problem found, each with its path, its cause and its mend.
    """
    return _Reader().spec(raw)


class _Reader:
    """Collects problems instead of stopping at the first one."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def spec(self, raw: object) -> JobSpec:
        top = self.mapping(raw, "", _TOP)
        if not isinstance(raw, Mapping):
            raise SpecInvalid(tuple(self.problems))
        name = self.text(top, "name", limit=MAX_NAME_BYTES)
        run = self.text(top, "run", limit=MAX_RUN_BYTES, lines=True)
        max_seconds = self.read(top, "max_duration", values.seconds)
        budget = self.budget(top.get("budget"))
        if not _limited(top):
            self.bad("max_duration", "max_duration 与 budget.total 都没有写", "至少写一个，例如 2h")
        num_nodes = self.read(top, "num_nodes", values.whole(1, MAX_NODES))
        priority = self.read(top, "priority", values.whole(0, 100))
        resources = self.resources(top.get("resources"))
        where = self.where(top.get("placement"))
        envs = self.pairs(top, "envs", _ENV_NAME, limit=MAX_ENV_CHARACTERS, lines=True)
        labels = self.pairs(top, "labels", _WORD, limit=MAX_LABEL_CHARACTERS)
        image = self.image(top)
        if self.problems:
            raise SpecInvalid(tuple(self.problems))
        return JobSpec(
            name=name,
            run=run,
            num_nodes=1 if num_nodes is None else num_nodes,
            resources=resources,
            envs=envs,
            image=image,
            max_seconds=max_seconds,
            budget=budget,
            where=where,
            priority=50 if priority is None else priority,
            labels=labels,
        )

    def resources(self, raw: object) -> Resources:
        part = self.mapping(raw, "resources", _RESOURCES)
        cpu = self.read(part, "cpus", values.milli, "resources.")
        memory = self.read(part, "memory", values.mib, "resources.")
        defaults = Resources()
        return Resources(
            accelerators=self.accelerators(part.get("accelerators")),
            cpu_milli=defaults.cpu_milli if cpu is None else cpu,
            memory_mib=defaults.memory_mib if memory is None else memory,
        )

    def accelerators(self, raw: object) -> tuple[Accelerators, ...]:
        path = "resources.accelerators"
        found = [
            self.read({at: item}, at, values.accelerators)
            for at, item in _alternatives(raw, path)[: MAX_LIST + 1]
        ]
        if len(found) > MAX_LIST:
            self.bad(path, f"备选超过 {MAX_LIST} 个", "只留真正想用的型号")
        return tuple(choice for choice in found if choice is not None)

    def budget(self, raw: object) -> Budget:
        part = self.mapping(raw, "budget", _BUDGET)
        total = self.read(part, "total", values.money, "budget.")
        if part.get("currency") not in (None, "CNY"):
            self.bad("budget.currency", "只支持人民币", "写 CNY，或删去这一行")
        voucher = part.get("voucher")
        if voucher is None:
            return Budget(total=total)
        if not isinstance(voucher, str) or not _VOUCHER.fullmatch(voucher):
            self.bad("budget.voucher", "应为 auto、none 或一张券的编号", "不确定就写 auto")
            return Budget(total=total)
        return Budget(total=total, voucher=voucher)

    def where(self, raw: object) -> Where:
        part = self.mapping(raw, "placement", _PLACEMENT)
        require = self.mapping(part.get("require"), "placement.require", _REQUIRE)
        domestic = require.get("domestic")
        if domestic is not None and type(domestic) is not bool:
            self.bad("placement.require.domestic", "应为 true 或 false", "例如 true，不加引号")
        return Where(
            cities=self.words(require, "city", "placement.require."),
            centres=self.words(require, "centre", "placement.require."),
            exclude=self.words(part, "exclude", "placement."),
            domestic=domestic is True,
        )

    def mapping(self, raw: object, path: str, known: frozenset[str]) -> Mapping[Any, Any]:
        if raw is None and path:
            return {}
        if not isinstance(raw, Mapping):
            self.bad(path or "作业说明", "应为“键: 值”的形式", "对照 docs/reference/job-spec.md")
            return {}
        for key in raw:
            if len(self.problems) >= MAX_PROBLEMS:
                break
            if key not in known:
                at = f"{path}.{values.shown(key)}" if path else values.shown(key)
                self.bad(at, "不认识的键", _hint(values.shown(key), known))
        return raw

    def image(self, top: Mapping[str, Any]) -> str | None:
        if top.get("image") is None:
            return None
        image = self.text(top, "image", limit=MAX_IMAGE_BYTES)
        if any(character.isspace() for character in image):
            self.bad("image", "镜像地址中间有空白", "删去空白")
        return image

    def text(self, part: Mapping[str, Any], key: str, *, limit: int, lines: bool = False) -> str:
        value = part.get(key)
        if not isinstance(value, str) or not value.strip():
            self.bad(key, "没有写，或不是文本", "写一段文本；数字要加引号")
            return ""
        if len(value.encode("utf-8", "replace")) > limit:
            self.bad(key, f"超过 {limit} 字节", "改短，或把内容放到文件里")
        elif _has_odd(value, lines=lines):
            self.bad(key, "含有控制字符", "删去控制字符")
        return value if lines else value.strip()

    def pairs(
        self,
        top: Mapping[str, Any],
        key: str,
        name: re.Pattern[str],
        *,
        limit: int,
        lines: bool = False,
    ) -> tuple[tuple[str, str], ...]:
        raw = top.get(key)
        if raw is None:
            return ()
        if not isinstance(raw, Mapping) or len(raw) > MAX_PAIRS:
            self.bad(key, f"应为至多 {MAX_PAIRS} 个“名: 值”", "例如 EPOCHS: '3'")
            return ()
        found = []
        for k, v in raw.items():
            at = f"{key}.{values.shown(k)}"
            value = str(v) if type(v) is int and abs(v) < 2**63 else v
            if not isinstance(k, str) or not name.fullmatch(k) or _has_odd(k):
                self.bad(at, "名不合规", "名用字母、数字和下划线，不以数字开头")
            elif not isinstance(value, str) or _has_odd(value, lines=lines):
                self.bad(at, "值不是文本，或含有控制字符", "给值加引号，例如 '0.5'、'true'")
            elif len(value) > limit:
                self.bad(at, f"值超过 {limit} 个字符", "改短，或放到文件里")
            else:
                found.append((k, value))
        return tuple(found)

    def words(self, part: Mapping[str, Any], key: str, prefix: str) -> tuple[str, ...]:
        raw = part.get(key)
        items = [raw] if isinstance(raw, str) else ([] if raw is None else raw)
        if not isinstance(items, list) or len(items) > MAX_LIST or not all(map(_is_word, items)):
            self.bad(
                prefix + key,
                f"应为一个名称，或至多 {MAX_LIST} 个名称的列表",
                "例如 [太原, 大同]",
            )
            return ()
        return tuple(items)

    def read(
        self,
        part: Mapping[str, Any],
        key: str,
        reader: Callable[[object], T],
        prefix: str = "",
    ) -> T | None:
        if part.get(key) is None:
            return None
        try:
            return reader(part[key])
        except ValueError as error:
            problem, _, mend = str(error).partition("|")
            self.bad(prefix + key, problem, mend)
            return None

    def bad(self, path: str, problem: str, mend: str) -> None:
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(Problem(path, problem, mend))


def _limited(top: Mapping[str, Any]) -> bool:
    """Whether some limit was written. One that cannot be read has its own problem already."""
    budget = top.get("budget")
    in_budget = budget.get("total") if isinstance(budget, Mapping) else budget
    return top.get("max_duration") is not None or in_budget is not None


def _hint(key: str, known: frozenset[str]) -> str:
    if key in _ELSEWHERE:
        return f"这里写作 {_ELSEWHERE[key]}"
    if near := get_close_matches(key, sorted(known), n=1):
        return f"是不是想写 {near[0]}？"
    return f"可用的键：{'、'.join(sorted(known))}"


def _has_odd(text: str, *, lines: bool = False) -> bool:
    return any(values.is_odd(c) and not (lines and c in "\n\t\r") for c in text)


def _is_word(item: object) -> bool:
    return (
        isinstance(item, str)
        and _WORD.fullmatch(item) is not None
        and bool(item.strip())
        and not _has_odd(item)
    )


def _alternatives(raw: object, path: str) -> list[tuple[str, object]]:
    """`X:8`, `{X: 8}` or a list of either, as (path, "X:8")."""
    if raw is None:
        return []
    if isinstance(raw, list):
        return [(f"{path}[{i}]", item) for i, one in enumerate(raw) for item in _single(one)]
    return [(path, item) for item in _single(raw)]


def _single(raw: object) -> list[object]:
    """One alternative; in `{X: 0.5}` an unquoted fraction stays one, for its own refusal."""
    if not isinstance(raw, Mapping):
        return ["" if raw is None else raw]
    return [
        f"{k}:{v}" if isinstance(k, str) and isinstance(v, str) else _joined(k, v)
        for k, v in raw.items()
    ]


def _joined(key: object, count: object) -> object:
    if values.is_binary_fraction(count):
        return count
    return f"{values.shown(key)}:{values.shown(count)}"
