"""What the registry refuses."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from jinsuan.kernel.errors import DomainError


@dataclass(eq=False)
class TokenInvalid(DomainError):
    """令牌无效: unknown, revoked or expired look alike."""

    code: ClassVar[str] = "registry.token_invalid"
    http_status: ClassVar[int] = 401

    def explain(self) -> str:
        return "令牌无效或已过期。请在账户页面另发一个令牌，再用 jinsuan login 登录。"


@dataclass(eq=False)
class ScopeUnknown(DomainError):
    """没有这项令牌权限."""

    code: ClassVar[str] = "registry.scope_unknown"
    http_status: ClassVar[int] = 422
    scope: str
    known: tuple[str, ...]

    def explain(self) -> str:
        return f"没有发令牌：没有“{self.scope}”这项权限。可用的权限：{'、'.join(self.known)}。"


@dataclass(eq=False)
class SignatureInvalid(DomainError):
    """代理签名不符: an unknown centre, a revoked key and a wrong signature look alike."""

    code: ClassVar[str] = "registry.signature_invalid"
    http_status: ClassVar[int] = 401
    centre: str

    def explain(self) -> str:
        return (
            f"中心 {self.centre} 的报文签名核对不上，没有采用。"
            "请确认代理用的是最近一次登记的密钥；密钥已更换或作废时，请重新登记。"
        )


@dataclass(eq=False)
class ClockSkewed(DomainError):
    """代理时钟偏差过大."""

    code: ClassVar[str] = "registry.clock_skewed"
    http_status: ClassVar[int] = 401
    seconds: int
    limit: int
    platform_time: datetime

    def explain(self) -> str:
        return (
            f"代理的时钟与平台相差 {self.seconds} 秒，超过 {self.limit} 秒，报文没有采用。"
            f"平台时间是 {self.platform_time.isoformat()}；请校准中心的时钟（NTP）。"
        )


@dataclass(eq=False)
class MessageReplayed(DomainError):
    """报文重复或乱序."""

    code: ClassVar[str] = "registry.message_replayed"
    boot: int
    sequence: int
    last_boot: int
    last_sequence: int

    def explain(self) -> str:
        return (
            f"报文序号 {self.boot}/{self.sequence} 不在最近一份 {self.last_boot}/"
            f"{self.last_sequence} 之后，没有采用。代理会用新序号重发；"
            "若反复出现，请检查是否有两个代理使用同一状态文件夹。"
        )


@dataclass(eq=False)
class EnrolmentRefused(DomainError):
    """登记码不能用: wrong, used, expired and another centre's look alike."""

    code: ClassVar[str] = "registry.enrolment_refused"
    http_status: ClassVar[int] = 401

    def explain(self) -> str:
        return "登记码不能用：可能已用过、已过期，或不是这个中心的。请向平台运营另要一个登记码。"


@dataclass(eq=False)
class AlreadyRegistered(DomainError):
    """已经登记过."""

    code: ClassVar[str] = "registry.already_registered"
    what: str
    name: str

    def explain(self) -> str:
        return f"没有登记：{self.what} {self.name} 已经存在。请核对代码，或修改已有的记录。"
