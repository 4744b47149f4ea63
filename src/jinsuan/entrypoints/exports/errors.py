"""What is refused about files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from jinsuan.kernel.errors import DomainError


@dataclass(eq=False)
class StatementTooLong(DomainError):
    """对账单太长，不能当场生成."""

    code: ClassVar[str] = "export.statement_too_long"
    http_status: ClassVar[int] = 422
    lines: int
    most: int

    def explain(self) -> str:
        return (
            f"这份对账单有 {self.lines:,} 行，超过当场生成的 {self.most:,} 行。"
            "请在对账单页点“生成”，或用接口 POST /api/v1/exports：做好以后下载，中断了会接着做。"
        )
