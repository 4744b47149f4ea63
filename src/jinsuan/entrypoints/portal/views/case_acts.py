"""What officials do on a case: moves, conclusions on findings, objections, standing aside."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from jinsuan.casework.actions.cases import move_case, recuse
from jinsuan.casework.actions.evidence import close_finding
from jinsuan.casework.actions.notices import decide_objection, record_objection
from jinsuan.casework.queries import access_case
from jinsuan.entrypoints import clock
from jinsuan.entrypoints.portal.refusals import Way, refuse
from jinsuan.kernel.errors import BadInput, DomainError, NotFound
from jinsuan.kernel.money import Money
from jinsuan.kernel.ref import Actor, Ref
from jinsuan.vouchers.actions.checks import check_case
from jinsuan.vouchers.actions.grant import (
    approve_application,
    refuse_application,
    take_back_approval,
)
from jinsuan.vouchers.actions.redeem import approve_redemption, stop_redemption
from jinsuan.vouchers.queries_cases import amount_shown, case_file, move_taken

HARMLESS = "案件和金额都没有变化。"
PLAIN = ("推荐", "退回补正", "不予推荐", "不予兑付")
"""Moves without money: casework's own action takes them."""
SIGNED = ("审定通过", "核定")
"""Moves that sign an amount: the one the page showed, or none."""
MOST_WORDS = 2000
CHECKING = Actor.system("portal:checks")


def act(request: HttpRequest, actor: Actor, number: str) -> HttpResponse:
    """One POST of the case page; a second click of the same move changes nothing and says so."""
    now = clock.now()
    here = reverse("portal:case", args=[number])
    row = access_case(actor, number, now=now)
    doer = _ACTS.get(request.POST.get("act", ""))
    try:
        if doer is None:
            raise BadInput("操作", "读不懂", "请回到案件页再办。")
        said = doer(request, row.id, number, actor, now)
    except NotFound:
        raise
    except DomainError as error:
        if _again(request, actor, number, now):
            messages.success(request, "这一步已经办过，没有重复办理。")
            return HttpResponseRedirect(here)
        back = Way(href=here, what=f"回到案件 {number}", then="看清现在的情形再办")
        crumbs = (("办理", reverse("portal:cases")), (number, here), ("没有办成", ""))
        return refuse(request, error, happened=HARMLESS, ways=(back,), crumbs=crumbs)
    messages.success(request, said)
    return HttpResponseRedirect(here)


def _again(request: HttpRequest, actor: Actor, number: str, now: datetime) -> bool:
    """Whether the form that was sent is one whose move this person has taken already."""
    made, name = request.POST.get("made", ""), request.POST.get("move", "")
    if request.POST.get("act") != "move" or not (made.isascii() and made.isdigit()):
        return False
    return move_taken(actor, number, place=int(made[:9]) + 1, name=name, now=now)


def _words(request: HttpRequest, name: str = "reason") -> str:
    return request.POST.get(name, "").strip()[:MOST_WORDS]


def _move(request: HttpRequest, case: UUID, number: str, actor: Actor, now: datetime) -> str:
    file = case_file(actor, number, now=now)
    name, reason = request.POST.get("move", ""), _words(request)
    if request.POST.get("made", "") != str(file.moves_made):
        raise BadInput("案件", "在您打开页面之后有了变化", "请看清现在的材料和状态再办。")
    shown = amount_shown(file)
    if name in SIGNED and request.POST.get("seen", "") != shown:
        raise BadInput(
            "金额", f"在您打开页面之后有了变化，现在是 {shown or '没有'} 元", "请重新看过再签。"
        )
    if not reason:
        raise BadInput("意见", f"“{name[:20]}”要写明理由", "申报主体和审计会看到，请写清依据。")
    if name in SIGNED and name in file.buttons and not file.barred:
        # In a transaction of its own: what it finds stays, though the approval is refused for it.
        check_case(case, actor=CHECKING, now=now)
    if name == "审定通过":
        chosen = _chosen(request) if file.chooses else None
        approve_application(case, reason=reason, chosen=chosen, actor=actor, now=now)
        return "已审定通过，进入公示。金额由规则算出，已从年度总额中预留。"
    if name in _MONEY:
        doer, said = _MONEY[name]
        doer(case, reason=reason, actor=actor, now=now)
        return said
    if name not in PLAIN:
        raise BadInput("操作", "这里没有", "请回到案件页，用页面上的按钮。")
    move_case(case, name, reason=reason, actor=actor, now=now)
    return f"已办理：{name}。"


_MONEY: dict[str, tuple[Callable[..., object], str]] = {
    "不予通过": (refuse_application, "已办理：不予通过。规则的结论和您的意见一并留存。"),
    "异议成立": (take_back_approval, "异议成立，已退回省级审定；预留的金额已放回年度总额。"),
    "核定": (approve_redemption, "已核定，转财政拨付。金额由四个数算出。"),
    "暂停拨付": (stop_redemption, "已暂停拨付，退回省级核定；金额已退回原处。"),
}


def _chosen(request: HttpRequest) -> Money:
    """The amount under a ceiling. It is asked for only there."""
    text = request.POST.get("chosen", "").replace(",", "").strip()
    try:
        return Money.yuan(text)
    except (ValueError, ArithmeticError):
        raise BadInput("所定金额", "读不懂", "请写元，可以写到分，如 18000.00。") from None


def _close(request: HttpRequest, case: UUID, number: str, actor: Actor, now: datetime) -> str:
    del case
    verdict = request.POST.get("verdict", "")
    if verdict not in ("confirmed", "explained"):
        raise BadInput("结论", "没有选", "请选属实或已说明。")
    known = {one.ref for one in case_file(actor, number, now=now).findings}
    ref = _ref(request, "finding", known)
    confirmed = verdict == "confirmed"
    close_finding(
        ref.id,
        confirmed=confirmed,
        reason=_words(request),
        proof=_words(request, "proof"),
        actor=actor,
        now=now,
    )
    return "疑点已有结论。"


def _object(request: HttpRequest, case: UUID, number: str, actor: Actor, now: datetime) -> str:
    del number
    text = request.POST.get("received_on", "").strip()
    try:
        received = date.fromisoformat(text)
    except ValueError:
        raise BadInput("收到日", f"“{text[:20]}”不是日期", "请写成 2025-09-18。") from None
    words = _words(request, "text")
    record_objection(case, text=words, received_on=received, actor=actor, now=now)
    return "异议已登记；处理完之前公示不会结束。"


def _decide(request: HttpRequest, case: UUID, number: str, actor: Actor, now: datetime) -> str:
    del case
    verdict = request.POST.get("verdict", "")
    if verdict not in ("upheld", "rejected"):
        raise BadInput("结论", "没有选", "请选成立或不成立。")
    notice = case_file(actor, number, now=now).notice
    known = set() if notice is None else {one.ref for one in notice.objections}
    ref, upheld = _ref(request, "objection", known), verdict == "upheld"
    decide_objection(ref.id, upheld=upheld, reason=_words(request), actor=actor, now=now)
    return "异议已处理：成立。请办理“异议成立”退回审定。" if upheld else "异议已处理：不成立。"


def _recuse(request: HttpRequest, case: UUID, number: str, actor: Actor, now: datetime) -> str:
    del number
    assert actor.person is not None
    recuse(case, person=actor.person, reason=_words(request), actor=actor, now=now)
    return "已登记您在本案回避。"


def _ref(request: HttpRequest, kind: str, known: set[Ref]) -> Ref:
    """What the form is about; it has to be on this very case."""
    text = request.POST.get("which", "")
    try:
        ref = Ref.read(text)
    except ValueError:
        raise NotFound(kind, text[:60]) from None
    if ref not in known:
        raise NotFound(kind, text[:60])
    return ref


_ACTS: dict[str, Callable[[HttpRequest, UUID, str, Actor, datetime], str]] = {
    "move": _move,
    "close": _close,
    "object": _object,
    "decide": _decide,
    "recuse": _recuse,
}
