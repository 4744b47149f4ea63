"""What a message or a job specification can be refused for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from jinsuan.kernel.errors import DomainError


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with what somebody wrote: where, what, and how to mend it."""

    path: str
    problem: str
    mend: str

    def __str__(self) -> str:
        return f"{self.path}：{self.problem}。{self.mend}"


@dataclass(eq=False)
class SpecInvalid(DomainError):
    """作业说明有误. All problems are reported together, so one round of mending is enough."""

    code: ClassVar[str] = "protocol.spec_invalid"
    http_status: ClassVar[int] = 422
    problems: tuple[Problem, ...]

    def explain(self) -> str:
        lines = "；".join(str(problem) for problem in self.problems[:20])
        return f"作业说明有 {len(self.problems)} 处要改，没有下单。{lines}"


@dataclass(eq=False)
class MessageInvalid(DomainError):
    """报文有误: a message does not have the agreed form."""

    code: ClassVar[str] = "protocol.message_invalid"
    http_status: ClassVar[int] = 422
    path: str
    problem: str

    def explain(self) -> str:
        return (
            f"报文在 {self.path} 处有误：{self.problem}。整份报文未被采用。"
            "请对照 docs/reference/agent-protocol.md，或把代理升级到平台支持的版本。"
        )
