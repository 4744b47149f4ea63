"""What the user's side refuses or cannot do, before or instead of the platform."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from jinsuan.kernel.errors import DomainError


@dataclass(eq=False)
class SpecFileInvalid(DomainError):
    """作业说明文件的写法有误: it is not the plain YAML or JSON that we read."""

    code: ClassVar[str] = "client.spec_file_invalid"
    http_status: ClassVar[int] = 422
    name: str
    line: int
    column: int
    problem: str
    mend: str

    def explain(self) -> str:
        return f"{self.name} 第 {self.line} 行第 {self.column} 列：{self.problem}。{self.mend}"


@dataclass(eq=False)
class SpecFileUnreadable(DomainError):
    """作业说明文件打不开."""

    code: ClassVar[str] = "client.spec_file_unreadable"
    http_status: ClassVar[int] = 422
    name: str
    cause: str

    def explain(self) -> str:
        return f"读不了作业说明 {self.name}：{self.cause}。请检查路径、权限和编码（UTF-8）。"


@dataclass(eq=False)
class NotLoggedIn(DomainError):
    """尚未登录: no server or no token is known."""

    code: ClassVar[str] = "client.not_logged_in"
    http_status: ClassVar[int] = 401
    missing: str
    path: str

    def explain(self) -> str:
        return (
            f"还不知道{self.missing}（{self.path} 里没有）。请先运行 jinsuan login --server 平台地址，"
            "或设置环境变量 JINSUAN_SERVER 和 JINSUAN_TOKEN。"
        )


@dataclass(eq=False)
class ConfigUnusable(DomainError):
    """配置文件不能用: unreadable, malformed, or readable by others."""

    code: ClassVar[str] = "client.config_unusable"
    http_status: ClassVar[int] = 422
    path: str
    problem: str
    mend: str

    def explain(self) -> str:
        return f"配置文件 {self.path} 不能用：{self.problem}。{self.mend}"


@dataclass(eq=False)
class ApiRefused(DomainError):
    """平台没有照办. `api_code` is the platform's own code; `detail` is its own explanation."""

    code: ClassVar[str] = "client.api_refused"
    api_code: str
    status: int
    detail: str

    def explain(self) -> str:
        return self.detail

    def __str__(self) -> str:
        return f"{self.api_code}: {self.detail}"


@dataclass(eq=False)
class ServerUnreachable(DomainError):
    """平台没有回应, or what answered is not the platform.

    Args:
        order_key: of an order whose fate is unknown; the same key asks again without ordering twice.
    """

    code: ClassVar[str] = "client.server_unreachable"
    http_status: ClassVar[int] = 503
    server: str
    cause: str
    tries: int
    order_key: str | None = None

    def explain(self) -> str:
        told = f"平台 {self.server} 试了 {self.tries} 次没有得到回应：{self.cause}。"
        if self.order_key is not None:
            return told + (
                "不清楚是否已经下单。恢复后请用同一个幂等键再下一次，不会下成两单："
                f"jinsuan job submit --key {self.order_key} …"
            )
        return told + "请检查地址（jinsuan login）和网络；平台维护时稍后再试。"


@dataclass(eq=False)
class WaitTimedOut(DomainError):
    """等待超时: the job goes on; only the waiting ended."""

    code: ClassVar[str] = "client.wait_timed_out"
    http_status: ClassVar[int] = 408
    job: str
    state: str
    seconds: int

    def explain(self) -> str:
        return (
            f"等了 {self.seconds} 秒，作业 {self.job} 还在“{self.state}”，没有停掉它。"
            f"请稍后用 jinsuan job show {self.job} 查看，或用 jinsuan job cancel 停止。"
        )
