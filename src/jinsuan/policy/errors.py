"""What the law's room refuses: packs that are wrong, facts that cannot be read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from jinsuan.kernel.errors import DomainError

SHOWN = 20


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing to mend.

    Args:
        place: file and line, or the name of a fact.
    """

    place: str
    what: str
    mend: str

    def __str__(self) -> str:
        return f"{self.place}：{self.what}。{self.mend}"


def in_order(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """Each once, from the top of the file to its end."""

    def place(problem: Problem) -> tuple[str, int, str]:
        file, _, line = problem.place.rpartition(":")
        return file, int(line) if line.isdecimal() else 0, problem.what

    return tuple(sorted(set(problems), key=place))


def _listed(problems: Sequence[Problem]) -> str:
    lines = "\n".join(f"  {p}" for p in problems[:SHOWN])
    more = f"\n  ……共 {len(problems)} 处" if len(problems) > SHOWN else ""
    return lines + more


@dataclass(eq=False)
class PackInvalid(DomainError):
    """规则包有误: nothing of it is loaded."""

    code: ClassVar[str] = "policy.pack_invalid"
    http_status: ClassVar[int] = 422
    pack: str
    problems: tuple[Problem, ...]

    def explain(self) -> str:
        return (
            f"规则包 {self.pack} 没有装入，有 {len(self.problems)} 处要改：\n"
            f"{_listed(self.problems)}"
        )


@dataclass(eq=False)
class PackNotFound(DomainError):
    """没有这个规则包."""

    code: ClassVar[str] = "policy.pack_not_found"
    http_status: ClassVar[int] = 404
    pack: str
    known: tuple[str, ...]

    def explain(self) -> str:
        return f"没有规则包“{self.pack[:60]}”。现有：{'、'.join(self.known)}。"


@dataclass(eq=False)
class FactsInvalid(DomainError):
    """事实读不懂: nothing is decided."""

    code: ClassVar[str] = "policy.facts_invalid"
    http_status: ClassVar[int] = 422
    source: str
    problems: tuple[Problem, ...]

    def explain(self) -> str:
        return f"{self.source} 没有采用，有 {len(self.problems)} 处要改：\n{_listed(self.problems)}"


@dataclass(eq=False)
class ParameterUnknown(DomainError):
    """试算改的参数不存在或改不成这个值."""

    code: ClassVar[str] = "policy.parameter_unknown"
    http_status: ClassVar[int] = 422
    name: str
    problem: str

    def explain(self) -> str:
        return f"没有试算：参数“{self.name[:60]}”{self.problem}。用 jinsuan policy facts 可以列出全部参数。"
