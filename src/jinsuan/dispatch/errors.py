"""What dispatch refuses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from jinsuan.kernel.errors import DomainError


@dataclass(eq=False)
class NowhereToRun(DomainError):
    """没有中心能运行: even with everything idle no centre could take it."""

    code: ClassVar[str] = "dispatch.nowhere_to_run"
    reasons: tuple[str, ...]

    def explain(self) -> str:
        shown = "；".join(self.reasons[:5])
        more = f"……共 {len(self.reasons)} 个中心" if len(self.reasons) > 5 else ""
        return (
            f"没有下单：{len(self.reasons)} 个中心都不能运行这个作业，空闲时也不能。{shown}{more}。"
            "请按原因修改资源要求；用“试排”可以看到每个中心的原因。"
        )


@dataclass(eq=False)
class OrderKeyReused(DomainError):
    """同一幂等键下了不同的单."""

    code: ClassVar[str] = "dispatch.order_key_reused"
    key: str
    job: str

    def explain(self) -> str:
        return (
            f"没有下单：幂等键 {self.key} 已用于作业 {self.job}，而这次的内容不同。"
            "重试请发原样内容；新作业请换一个幂等键。"
        )


@dataclass(eq=False)
class JobOver(DomainError):
    """作业已结束: there is nothing left to stop."""

    code: ClassVar[str] = "dispatch.job_over"
    job: str

    def explain(self) -> str:
        return f"作业 {self.job} 已经结束，没有可停止的内容。费用以结清后的账目为准。"
