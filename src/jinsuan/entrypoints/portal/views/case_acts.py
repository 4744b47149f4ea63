"""What officials do on a case: moves, conclusions on findings, objections, standing aside."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from jinsuan.casework.actions.cases import recuse
from jinsuan.casework.actions.evidence import close_finding
from jinsuan.casework.actions.notices import decide_objection, record_objection
from jinsuan.casework.queries import access_case
from jinsuan.entrypoints import clock
from jinsuan.entrypoints.case_moves import check_before_signing, take_move
from jinsuan.entrypoints.portal.refusals import Way, refuse
from jinsuan.kernel.errors import BadInput, DomainError, NotFound
from jinsuan.kernel.money import Money
from jinsuan.kernel.ref import Actor, Ref
from jinsuan.vouchers.queries_cases import case_file, move_taken

HARMLESS = "案件和金额都没有变化。"
MOST_WORDS = 2000


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
    del case
    file = case_file(actor, number, now=now)
    name, reason = request.POST.get("move", ""), _words(request)
    if request.POST.get("made", "") != str(file.moves_made):
        raise BadInput("案件", "在您打开页面之后有了变化", "请看清现在的材料和状态再办。")
    check_before_signing(file, name, now=now)
    return take_move(
        file,
        name,
        reason=reason,
        seen=request.POST.get("seen", ""),
        chosen=lambda: _chosen(request),
        actor=actor,
        now=now,
    )


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
