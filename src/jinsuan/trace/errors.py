"""Refusals of the trace."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from jinsuan.kernel.errors import DomainError


@dataclass(eq=False)
class BundleInvalid(DomainError):
    """溯源包读不出或写不下."""

    code: ClassVar[str] = "trace.bundle_invalid"
    file: str
    problem: str

    def explain(self) -> str:
        return (
            f"溯源包 {self.file}：{self.problem}。"
            "请核对文件是 jinsuan trace 编号 --bundle 文件 写出的，没有经过编辑或转码。"
        )
