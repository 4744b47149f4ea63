"""What log-in refuses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from jinsuan.kernel.errors import DomainError


@dataclass(eq=False)
class IdentityNotLinked(DomainError):
    """统一身份没有关联账户: who it is, is known; whose account it opens, is not."""

    code: ClassVar[str] = "site.identity_not_linked"
    http_status: ClassVar[int] = 403

    def explain(self) -> str:
        return (
            "统一身份认证通过了，但这个身份没有关联本平台的账户，没有登录，也没有新建账户。"
            "请联系平台运营关联；已有本地账户的，可以先用登录名和密码登录。"
        )


@dataclass(eq=False)
class IdentityProviderFailed(DomainError):
    """统一身份认证没有完成."""

    code: ClassVar[str] = "site.identity_provider_failed"
    http_status: ClassVar[int] = 502

    def explain(self) -> str:
        return (
            "统一身份认证没有完成：中途取消、超时，或认证系统没有正常回应，没有登录。"
            "请回到登录页再试一次；仍不成功时用登录名和密码登录，并告知平台运营。"
        )


@dataclass(eq=False)
class LockedOut(DomainError):
    """登录失败次数过多."""

    code: ClassVar[str] = "site.locked_out"
    http_status: ClassVar[int] = 429
    failures: int
    minutes: int

    def explain(self) -> str:
        return (
            f"这个登录名从您这里连续登录失败 {self.failures} 次，暂停登录 {self.minutes} 分钟，"
            "期间密码正确也不能登录。请稍后再试；忘记密码请联系本单位管理员重设。"
        )
