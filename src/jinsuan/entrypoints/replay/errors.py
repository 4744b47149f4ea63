"""What can go wrong around a replay."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from jinsuan.kernel.errors import DomainError

WHERE = (
    "请给出一个文件夹，其中有 openb_province/（中心与节点的归属）和 openb/（节点表与请求表，"
    "来自公开的 cluster-trace-gpu-v2023）"
)


@dataclass(eq=False)
class ReplayDataMissing(DomainError):
    """没有找到回放用的数据."""

    code: ClassVar[str] = "replay.data_missing"
    http_status: ClassVar[int] = 404
    path: str

    def explain(self) -> str:
        return f"没有开始回放：找不到 {self.path}。{WHERE}。数据不随本软件分发。"


@dataclass(eq=False)
class ReplayDataBad(DomainError):
    """回放用的数据读不懂."""

    code: ClassVar[str] = "replay.data_bad"
    http_status: ClassVar[int] = 422
    path: str
    line: int
    problem: str

    def explain(self) -> str:
        return (
            f"没有开始回放：{self.path} 第 {self.line} 行{self.problem}。请对照数据说明改正这一行。"
        )


@dataclass(eq=False)
class NotAReplayFolder(DomainError):
    """拒绝清空不是回放的数据."""

    code: ClassVar[str] = "replay.not_a_replay_folder"
    what: str

    def explain(self) -> str:
        return (
            f"没有开始回放：{self.what} 没有回放标记，可能是真实数据。回放只用自己建立的数据库，"
            "每次从头开始；请去掉 DATABASE_URL，或移走这个文件夹。"
        )
