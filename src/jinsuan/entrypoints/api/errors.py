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
        return f"这个令牌没有权限 {self.needed}。请用带有该权限的令牌，或请管理员另发一个。"


@dataclass(eq=False)
class KeyMissing(DomainError):
    """缺少幂等键."""

    code: ClassVar[str] = "api.idempotency_key_missing"
    http_status: ClassVar[int] = 400

    def explain(self) -> str:
        return (
            "没有照办：请求缺少 Idempotency-Key 头（1 至 120 个可见的英文字符），"
            "重试时无法保证只办一次。请为每件事生成一个键，重试时原样带上。"
        )


@dataclass(eq=False)
class KeyReused(DomainError):
    """同一幂等键用于不同的请求."""

    code: ClassVar[str] = "api.idempotency_key_reused"
    key: str

    def explain(self) -> str:
        return (
            f"没有照办：幂等键 {self.key} 已用于本单位的另一个请求，而这次的内容不同。"
            "重试请发原样内容；办另一件事请换一个键。"
        )


@dataclass(eq=False)
class CursorInvalid(DomainError):
    """翻页位置读不懂."""

    code: ClassVar[str] = "api.cursor_invalid"
    http_status: ClassVar[int] = 422

    def explain(self) -> str:
        return "cursor 读不懂。请原样使用上一页的 next_cursor；要从头看，去掉 cursor。"


@dataclass(eq=False)
class BodyUnreadable(DomainError):
    """请求正文读不懂."""

    code: ClassVar[str] = "api.body_unreadable"
    http_status: ClassVar[int] = 400
    cause: str

    def explain(self) -> str:
        return f"请求正文读不懂：{self.cause}。请发 UTF-8 编码的 JSON，不超过 256 KiB。"
