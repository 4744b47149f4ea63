"""What is refused about long work."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from jinsuan.kernel.errors import DomainError


@dataclass(eq=False)
class WorkNotReady(DomainError):
    """长任务还没有做完，没有可下载的文件."""

    code: ClassVar[str] = "longwork.not_ready"
    title: str
    state: str
    done: int
    total: int | None

    def explain(self) -> str:
        far = f"{self.done:,}" if self.total is None else f"{self.done:,}/{self.total:,}"
        return f"“{self.title}”现在是“{self.state}”（{far}），还没有文件。请等它完成再下载；没有做成或已停止的请重新发起。"


@dataclass(eq=False)
class ResultExpired(DomainError):
    """长任务的文件过了保留期，已经删除."""

    code: ClassVar[str] = "longwork.result_expired"
    title: str
    days: int

    def explain(self) -> str:
        return (
            f"“{self.title}”的文件保留 {self.days} 天，已经删除。请重新发起，账没有变，内容一样。"
        )


@dataclass(eq=False)
class WorkOver(DomainError):
    """长任务已经结束，不能停止."""

    code: ClassVar[str] = "longwork.over"
    title: str
    state: str

    def explain(self) -> str:
        return f"“{self.title}”已经是“{self.state}”，没有可停止的。做过的部分不会撤回；需要时请重新发起。"
