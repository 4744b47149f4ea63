"""The two things an engine adapter may raise: ask again, or do not ask again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from jinsuan.kernel.errors import DomainError


@dataclass(eq=False)
class EngineUnreachable(DomainError):
    """引擎没有应答. Ask again; whether a submit has taken effect is then unknown."""

    code: ClassVar[str] = "agent.engine_unreachable"
    http_status: ClassVar[int] = 503
    engine: str
    problem: str

    def explain(self) -> str:
        return (
            f"调度引擎 {self.engine} 暂时没有应答：{self.problem}。代理会按同一个键再问，不会重复启动；"
            "如果持续出现，请检查引擎服务和磁盘。"
        )


@dataclass(eq=False)
class EngineRefused(DomainError):
    """引擎拒收. The same request would be refused again, so the job belongs elsewhere."""

    code: ClassVar[str] = "agent.engine_refused"
    http_status: ClassVar[int] = 422
    engine: str
    problem: str

    def explain(self) -> str:
        return f"调度引擎 {self.engine} 拒收：{self.problem}。作业没有启动，平台会另找中心；也可修改作业说明后重提。"
