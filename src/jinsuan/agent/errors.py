"""What can go wrong between a centre's agent and the platform, explained to the centre's operator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from jinsuan.kernel.errors import DomainError


@dataclass(eq=False)
class PlatformUnreachable(DomainError):
    """平台没有应答. Jobs go on; the agent keeps asking, ever less often."""

    code: ClassVar[str] = "agent.platform_unreachable"
    http_status: ClassVar[int] = 503
    server: str
    problem: str

    def explain(self) -> str:
        return (
            f"平台 {self.server} 没有应答：{self.problem}。正在运行的作业不受影响，代理会继续重试；"
            "如果持续出现，请检查网络、代理服务器和平台地址。"
        )


@dataclass(eq=False)
class PlatformRefused(DomainError):
    """平台拒绝了代理. The platform understood the message and did not accept it.

    Args:
        platform_code: the platform's own code, a heading of docs/reference/errors.md.
    """

    code: ClassVar[str] = "agent.platform_refused"
    status: int
    platform_code: str
    message: str

    def explain(self) -> str:
        return (
            f"平台拒绝了代理的请求（HTTP {self.status}，{self.platform_code}）：{self.message}"
            "。正在运行的作业不受影响。请按提示处理，必要时请平台运营方重新签发接入码。"
        )


@dataclass(eq=False)
class ServerNotSecure(DomainError):
    """平台地址不安全. Plain http would let anyone on the way read and change orders."""

    code: ClassVar[str] = "agent.server_not_secure"
    http_status: ClassVar[int] = 422
    server: str

    def explain(self) -> str:
        return (
            f"平台地址“{self.server}”不能使用：除本机（127.0.0.1、localhost、::1）外必须是 https:// 开头的地址。"
            "请向平台运营方索取 https 地址。"
        )


@dataclass(eq=False)
class ConfigUnusable(DomainError):
    """代理配置有误: the file in the state folder cannot be used as it is."""

    code: ClassVar[str] = "agent.config_unusable"
    http_status: ClassVar[int] = 422
    path: str
    problem: str

    def explain(self) -> str:
        return f"代理配置 {self.path} 不能使用：{self.problem}。请改好后重新启动代理。"


@dataclass(eq=False)
class NotEnrolled(DomainError):
    """代理还没有登记: there is no key in the state folder."""

    code: ClassVar[str] = "agent.not_enrolled"
    path: str

    def explain(self) -> str:
        return f"没有找到代理的密钥 {self.path}。请先向平台运营方索取一次性接入码，再运行 jinsuan agent enrol 登记。"


@dataclass(eq=False)
class KeyExposed(DomainError):
    """密钥可被他人读取: whoever reads it can speak for the centre."""

    code: ClassVar[str] = "agent.key_exposed"
    path: str

    def explain(self) -> str:
        return (
            f"密钥 {self.path} 可以被本机其他用户读取。请运行 chmod 600 {self.path}；"
            "如果可能已经泄露，请重新登记。"
        )


@dataclass(eq=False)
class StateInUse(DomainError):
    """状态文件夹已被占用: two agents on one folder would start work twice."""

    code: ClassVar[str] = "agent.state_in_use"
    path: str

    def explain(self) -> str:
        return f"文件夹 {self.path} 正由另一个代理使用。请先停止那个代理，或换一个文件夹。"
