"""An official's moves on a case, as pages and API take them: by name, with a reason, signed amounts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from jinsuan.casework.actions.cases import move_case
from jinsuan.kernel.errors import BadInput
from jinsuan.kernel.money import Money
from jinsuan.kernel.ref import Actor
from jinsuan.vouchers.actions.checks import check_case
from jinsuan.vouchers.actions.grant import (
    approve_application,
    refuse_application,
    take_back_approval,
)
from jinsuan.vouchers.actions.redeem import approve_redemption, stop_redemption
from jinsuan.vouchers.queries_cases import CaseFile, amount_shown

PLAIN = ("推荐", "退回补正", "不予推荐", "不予兑付")
"""Moves without money: casework's own action takes them."""
CHECKING = Actor.system("entrypoints:checks")
SIGNED = ("审定通过", "核定")
"""Moves that sign an amount: the one that was shown, or none."""
_MONEY: dict[str, tuple[Callable[..., object], str]] = {
    "不予通过": (refuse_application, "已办理：不予通过。规则的结论和您的意见一并留存。"),
    "异议成立": (take_back_approval, "异议成立，已退回省级审定；预留的金额已放回年度总额。"),
    "核定": (approve_redemption, "已核定，转财政拨付。金额由四个数算出。"),
    "暂停拨付": (stop_redemption, "已暂停拨付，退回省级核定；金额已退回原处。"),
}


def check_before_signing(file: CaseFile, name: str, *, now: datetime) -> None:
    """Look for doubts once more before somebody signs an amount (签署前再核查).

    To be called outside the transaction of the move: what it finds stays and freezes the case,
    though the signature is refused for it.
    """
    if name in SIGNED and name in file.buttons and not file.barred:
        check_case(file.view.ref.id, actor=CHECKING, now=now)


def take_move(
    file: CaseFile,
    name: str,
    *,
    reason: str,
    seen: str,
    chosen: Callable[[], Money],
    actor: Actor,
    now: datetime,
) -> str:
    """Take a move on a case that was opened just now; returns what to say of it.

    Args:
        seen: the amount that was shown to whoever signs, plain.
        chosen: reads the amount under a ceiling; asked for only there.

    Raises:
        BadInput: no reason, another amount than was shown, no such move here.
        DomainError: whatever the action refuses.
    """
    case, shown = file.view.ref.id, amount_shown(file)
    if name in SIGNED and seen != shown:
        raise BadInput(
            "金额", f"在您打开页面之后有了变化，现在是 {shown or '没有'} 元", "请重新看过再签。"
        )
    if not reason:
        raise BadInput("意见", f"“{name[:20]}”要写明理由", "申报主体和审计会看到，请写清依据。")
    if name == "审定通过":
        amount = chosen() if file.chooses else None
        approve_application(case, reason=reason, chosen=amount, actor=actor, now=now)
        return "已审定通过，进入公示。金额由规则算出，已从年度总额中预留。"
    if name in _MONEY:
        doer, said = _MONEY[name]
        doer(case, reason=reason, actor=actor, now=now)
        return said
    if name not in PLAIN:
        raise BadInput("操作", "这里没有", "请从案件现在可以办的操作里选一个。")
    move_case(case, name, reason=reason, actor=actor, now=now)
    return f"已办理：{name}。"
