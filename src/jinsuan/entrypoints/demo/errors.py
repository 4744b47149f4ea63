"""What can go wrong around a demo."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from jinsuan.kernel.errors import DomainError


@dataclass(eq=False)
class ProcessFailed(DomainError):
    """演示的一个进程没有起来或中途退出."""

    code: ClassVar[str] = "demo.process_failed"
    name: str
    returncode: int | None
    log: str
    tail: tuple[str, ...]

    def explain(self) -> str:
        how = "没有在 60 秒内就绪" if self.returncode is None else f"退出码 {self.returncode}"
        last = "\n    ".join(self.tail)
        return (
            f"演示进程 {self.name} {how}。日志在 {self.log}。{last}\n请看日志，改好后再运行一次。"
        )


@dataclass(eq=False)
class NotADemoDatabase(DomainError):
    """拒绝清空不是演示的数据库."""

    code: ClassVar[str] = "demo.not_a_demo_database"
    database: str

    def explain(self) -> str:
        return (
            f"没有清空：数据库 {self.database} 没有演示标记，可能是真实数据。"
            "演示只会清空自己建立的数据库；请去掉 DATABASE_URL，让演示使用自带的数据库。"
        )


@dataclass(eq=False)
class StoryFailed(DomainError):
    """演示中的一项核对没有通过."""

    code: ClassVar[str] = "demo.story_failed"
    step: str
    problem: str

    def explain(self) -> str:
        return f"演示在“{self.step}”没有通过核对：{self.problem}。请带上演示文件夹里的日志反馈给开发者。"
