"""The base class of refusals. Each room keeps its own causes in `<room>/errors.py`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


class DomainError(Exception):
    """A request the rules refuse, explained to the person who made it.

    A bug is not one of these: bugs are AssertionError and crash. Subclasses are dataclasses, so
    tests and pages read fields instead of parsing text; not frozen, because the interpreter
    assigns `__traceback__` on the way out.
    """

    code: ClassVar[str]
    """Stable name used by the API, the CLI and docs/reference/errors.md."""
    http_status: ClassVar[int] = 409

    def explain(self) -> str:
        """Say in Chinese what happened, with the numbers, why, and what to do next."""
        raise NotImplementedError

    def __str__(self) -> str:
        return f"{self.code}: {self.explain()}"


@dataclass(eq=False)
class NotFound(DomainError):
    """不存在或无权查看. The two look alike on purpose: a refusal must not confirm a name."""

    code: ClassVar[str] = "not_found"
    http_status: ClassVar[int] = 404
    kind: str
    name: str

    def explain(self) -> str:
        return f"没有找到{self.kind}“{self.name}”，或者您不能查看。请核对编号，或联系本单位管理员。"


@dataclass(eq=False)
class NotAllowed(DomainError):
    """无权操作: the thing may be seen, but this role may not do that with it."""

    code: ClassVar[str] = "not_allowed"
    http_status: ClassVar[int] = 403
    act: str
    needs: str

    def explain(self) -> str:
        return f"您当前的角色不能{self.act}；需要的角色是：{self.needs}。请换用该角色，或请其办理。"


@dataclass(eq=False)
class BadInput(DomainError):
    """输入有误: one field of what was sent cannot be read."""

    code: ClassVar[str] = "bad_input"
    http_status: ClassVar[int] = 422
    field: str
    problem: str
    mend: str

    def explain(self) -> str:
        return f"“{self.field}”有误：{self.problem}。{self.mend}"
