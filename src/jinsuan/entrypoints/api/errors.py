"""What the API refuses before any room is asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from jinsuan.kernel.errors import DomainError


@dataclass(eq=False)
class ScopeMissing(DomainError):
    """令牌权限不足."""

    code: ClassVar[str] = "api.scope_missing"
    http_status: ClassVar[int] = 403
    needed: str

    def explain(self) -> str:
        return f"这个令牌没有权限 {self.needed}。请用带有该权限的令牌，或在账户页面另发一个。"


@dataclass(eq=False)
class OrderKeyMissing(DomainError):
    """缺少幂等键."""

    code: ClassVar[str] = "api.idempotency_key_missing"
    http_status: ClassVar[int] = 400

    def explain(self) -> str:
        return (
            "没有下单：请求缺少 Idempotency-Key 头，重试时无法保证只下一单。"
            "请为每个新作业生成一个键（至多 120 个可见字符），重试时原样带上。"
        )


@dataclass(eq=False)
class BodyUnreadable(DomainError):
    """请求正文读不懂."""

    code: ClassVar[str] = "api.body_unreadable"
    http_status: ClassVar[int] = 400
    cause: str

    def explain(self) -> str:
        return f"请求正文读不懂：{self.cause}。请发 UTF-8 编码的 JSON，不超过 256 KiB。"
