"""Read a job specification, strictly. Every problem is found in one pass and none is guessed at.

Numbers may come as whole numbers or as text, never as binary fractions: a loader hands "0.5" over
as text (see client.specfile). Unknown keys are refused, with the nearest known one as a hint.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from fractions import Fraction
from typing import Any

from jinsuan.kernel.money import Money
from jinsuan.protocol.errors import Problem, SpecInvalid
from jinsuan.protocol.spec import Accelerators, Budget, JobSpec, Resources, Where

MAX_RUN_BYTES = 64 * 1024
MAX_NODES = 1024
MAX_CARDS_PER_NODE = 64
MAX_SECONDS = 365 * 24 * 3600
MAX_BUDGET = Money.yuan("1000000000")

_DURATION_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_MEMORY_MIB = {"": 1024, "GB": 1024, "GIB": 1024, "G": 1024, "MB": 1, "MIB": 1, "M": 1}
_NUMBER = re.compile(r"[0-9]{1,12}(\.[0-9]{1,3})?")
_MODEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._+()（）/\-\u4e00-\u9fff]{0,60}")
_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_WORD = re.compile(r"[^\x00-\x1f\x7f]{1,80}")


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
        top = self.mapping(raw, "作业说明", _TOP)
        name = self.text(top, "name", limit=120)
        run = self.text(top, "run", limit=MAX_RUN_BYTES, lines=True)
        max_seconds = self.read(top, "max_duration", _seconds)
        budget = self.budget(top.get("budget", {}))
        if max_seconds is None and budget.total is None and "max_duration" not in top:
            self.bad(
                "max_duration", "max_duration 与 budget.total 都没有写", "至少写一个，例如 2h"
            )
        values = {
            "num_nodes": self.read(top, "num_nodes", _whole(1, MAX_NODES)),
            "priority": self.read(top, "priority", _whole(0, 100)),
        }
        resources = self.resources(top.get("resources", {}))
        where = self.where(top.get("placement", {}))
        envs = self.pairs(top, "envs", _ENV_NAME, value_limit=32 * 1024)
        labels = self.pairs(top, "labels", _WORD, value_limit=200)
        image = self.text(top, "image", limit=500) if top.get("image") is not None else None
        if self.problems:
            raise SpecInvalid(tuple(self.problems))
        return JobSpec(
            name=name,
            run=run,
            resources=resources,
            envs=envs,
            image=image,
            max_seconds=max_seconds,
            budget=budget,
            where=where,
            labels=labels,
            **{k: v for k, v in values.items() if v is not None},
        )

    def resources(self, raw: object) -> Resources:
        part = self.mapping(raw, "resources", _RESOURCES)
        cpu = self.read(part, "cpus", _milli, "resources.")
        memory = self.read(part, "memory", _mib, "resources.")
        choices: list[Accelerators] = []
        for path, item in _alternatives(part.get("accelerators")):
            try:
                choices.append(_accelerators(item))
            except ValueError as error:
                self.bad(path, str(error), "例如 Ascend 910B3:8，或共享卡 T4:0.5")
        defaults = Resources()
        return Resources(
            accelerators=tuple(choices),
            cpu_milli=defaults.cpu_milli if cpu is None else cpu,
            memory_mib=defaults.memory_mib if memory is None else memory,
        )

    def budget(self, raw: object) -> Budget:
        part = self.mapping(raw, "budget", _BUDGET)
        total = self.read(part, "total", _money, "budget.")
        if part.get("currency", "CNY") != "CNY":
            self.bad("budget.currency", "只支持人民币", "写 CNY，或删去这一行")
        voucher = part.get("voucher", "auto")
        if not isinstance(voucher, str) or not re.fullmatch(r"auto|none|voucher_\w{26}", voucher):
            self.bad("budget.voucher", "应为 auto、none 或一张券的编号", "不确定就写 auto")
            voucher = "auto"
        return Budget(total=total, voucher=voucher)

    def where(self, raw: object) -> Where:
        part = self.mapping(raw, "placement", _PLACEMENT)
        require = self.mapping(part.get("require", {}), "placement.require", _REQUIRE)
        domestic = require.get("domestic", False)
        if type(domestic) is not bool:
            self.bad("placement.require.domestic", "应为 true 或 false", "例如 true")
            domestic = False
        return Where(
            cities=self.words(require, "city", "placement.require."),
            centres=self.words(require, "centre", "placement.require."),
            exclude=self.words(part, "exclude", "placement."),
            domestic=domestic,
        )

    def mapping(self, raw: object, path: str, known: frozenset[str]) -> Mapping[str, Any]:
        if raw is None:
            return {}
        if not isinstance(raw, Mapping):
            self.bad(path, "应为“键: 值”的形式", "对照 docs/reference/job-spec.md")
            return {}
        for key in raw:
            if key not in known:
                near = get_close_matches(str(key)[:60], known, n=1)
                hint = f"是不是想写 {near[0]}？" if near else f"可用的键：{'、'.join(sorted(known))}"
                self.bad(f"{path}.{str(key)[:60]}", "不认识的键", hint)
        return raw

    def text(self, part: Mapping[str, Any], key: str, *, limit: int, lines: bool = False) -> str:
        value = part.get(key)
        if not isinstance(value, str) or not value.strip():
            self.bad(key, "没有写，或不是文本", "写一段文本；数字要加引号")
            return ""
        if len(value.encode("utf-8", "replace")) > limit:
            self.bad(key, f"超过 {limit} 字节", "改短，或把内容放到文件里")
        if any(ord(c) < 32 and not (lines and c in "\n\t\r") for c in value):
            self.bad(key, "含有控制字符", "删去控制字符")
        return value if lines else value.strip()

    def pairs(
        self, top: Mapping[str, Any], key: str, name: re.Pattern[str], *, value_limit: int
    ) -> tuple[tuple[str, str], ...]:
        raw = top.get(key)
        if raw is None:
            return ()
        if not isinstance(raw, Mapping) or len(raw) > 256:
            self.bad(key, "应为至多 256 个“名: 值”", "例如 EPOCHS: '3'")
            return ()
        found = []
        for k, v in raw.items():
            value = str(v) if type(v) is int else v
            good_name = isinstance(k, str) and name.fullmatch(k)
            if not good_name or not isinstance(value, str) or "\x00" in value:
                self.bad(f"{key}.{str(k)[:60]}", "名或值不合规", "值写成文本，例如 '3'")
            elif len(value) > value_limit:
                self.bad(f"{key}.{k}", f"值超过 {value_limit} 个字符", "改短，或放到文件里")
            else:
                found.append((k, value))
        return tuple(found)

    def words(self, part: Mapping[str, Any], key: str, prefix: str) -> tuple[str, ...]:
        raw = part.get(key)
        items = [raw] if isinstance(raw, str) else ([] if raw is None else raw)
        if not isinstance(items, list) or not all(
            isinstance(i, str) and _WORD.fullmatch(i) for i in items
        ):
            self.bad(prefix + key, "应为一个名称或名称的列表", "例如 [太原, 大同]")
            return ()
        return tuple(items)

    def read(
        self,
        part: Mapping[str, Any],
        key: str,
        reader: Callable[[object], Any],
        prefix: str = "",
    ) -> Any:
        if part.get(key) is None:
            return None
        try:
            return reader(part[key])
        except ValueError as error:
            problem, _, mend = str(error).partition("|")
            self.bad(prefix + key, problem, mend)
            return None

    def bad(self, path: str, problem: str, mend: str) -> None:
        if len(self.problems) < 100:
            self.problems.append(Problem(path, problem, mend))


_TOP = frozenset(
    "name run num_nodes resources envs image max_duration budget placement priority labels".split()
)
_RESOURCES = frozenset({"accelerators", "cpus", "memory"})
_BUDGET = frozenset({"total", "currency", "voucher"})
_PLACEMENT = frozenset({"require", "exclude"})
_REQUIRE = frozenset({"city", "centre", "domestic"})


def _alternatives(raw: object) -> list[tuple[str, object]]:
    """`X:8`, `{X: 8}` or a list of either, as (path, "X:8")."""
    path = "resources.accelerators"
    if raw is None:
        return []
    if isinstance(raw, list):
        return [(f"{path}[{i}]", item) for i, one in enumerate(raw) for _, item in _single(one)]
    return [(path, item) for _, item in _single(raw)]


def _single(raw: object) -> list[tuple[str, object]]:
    if isinstance(raw, Mapping):
        return [("", f"{k}:{v}") for k, v in raw.items()]
    return [("", raw)]


def _accelerators(raw: object) -> Accelerators:
    model, _, count = str(raw).rpartition(":") if ":" in str(raw) else (str(raw), "", "1")
    model = model.strip()
    if not isinstance(raw, str) or not _MODEL.fullmatch(model):
        raise ValueError(f"读不懂“{str(raw)[:60]}”")
    milli = _milli(count.strip())
    if milli < 1000:
        return Accelerators(model=model, count=1, card_milli=milli)
    if milli % 1000 or milli // 1000 > MAX_CARDS_PER_NODE:
        raise ValueError(f"每个节点应为 1 至 {MAX_CARDS_PER_NODE} 张整卡，或不足 1 张的一份")
    return Accelerators(model=model, count=milli // 1000)


def _whole(low: int, high: int) -> Callable[[object], int]:
    def read(raw: object) -> int:
        if type(raw) is str and re.fullmatch(r"[0-9]{1,9}", raw):
            raw = int(raw)
        if type(raw) is not int or not low <= raw <= high:
            raise ValueError(f"应为 {low} 到 {high} 的整数|改成这个范围内的整数")
        return raw

    return read


def _number(raw: object) -> Fraction:
    text = str(raw).strip().removesuffix("+")
    if type(raw) not in (int, str) or not _NUMBER.fullmatch(text):
        raise ValueError("应为不带符号的数，至多三位小数|例如 8 或 '0.5'")
    return Fraction(text)


def _milli(raw: object) -> int:
    milli = _number(raw) * 1000
    if not 0 < milli <= 10**9:
        raise ValueError("应大于 0|例如 8 或 '0.5'")
    return int(milli)


def _mib(raw: object) -> int:
    text = str(raw).strip().removesuffix("+").rstrip(".")
    found = re.fullmatch(r"([0-9.]+)\s*([A-Za-z]*)", text)
    if type(raw) not in (int, str) or not found or found[2].upper() not in _MEMORY_MIB:
        raise ValueError("读不懂内存大小|例如 64、64GB 或 512MiB")
    mib = _number(found[1]) * _MEMORY_MIB[found[2].upper()]
    if mib.denominator != 1 or not 0 < mib <= 2**40:
        raise ValueError("内存应为正的整 MiB|例如 64GB")
    return int(mib)


def _seconds(raw: object) -> int:
    """`90m`, `2h`, `1d12h`, or sbatch's `D-HH:MM:SS`."""
    text = str(raw).strip()
    slurm = re.fullmatch(r"(?:(\d{1,4})-)?(\d{1,4}):(\d{2}):(\d{2})", text)
    if slurm:
        days, hours, minutes, seconds = (int(group or 0) for group in slurm.groups())
        total = days * 86400 + hours * 3600 + minutes * 60 + seconds
    elif re.fullmatch(r"(\d{1,9}[smhd])+", text):
        total = sum(
            int(number) * _DURATION_UNITS[unit]
            for number, unit in re.findall(r"(\d+)([smhd])", text)
        )
    else:
        raise ValueError("读不懂时长|例如 90m、2h、1d12h 或 1-12:00:00")
    if not 0 < total <= MAX_SECONDS:
        raise ValueError("时长应大于 0 且不超过 365 天|例如 2h")
    return total


def _money(raw: object) -> Money:
    text = str(raw).strip().replace(",", "").replace("，", "")
    if type(raw) not in (int, str) or not re.fullmatch(r"\d{1,10}(\.\d{1,2})?", text):
        raise ValueError("应为正的元数，至多两位小数|例如 3000.00")
    amount = Money.yuan(text)
    if not Money(0) < amount <= MAX_BUDGET:
        raise ValueError(f"应大于 0 且不超过 {MAX_BUDGET}|例如 3000.00")
    return amount
