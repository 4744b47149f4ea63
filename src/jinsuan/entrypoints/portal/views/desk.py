"""中心: what an operator keeps an eye on: agents, leases, nodes; and opening or pausing a centre."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from jinsuan.dispatch.queries import LeaseView, leases_at, leases_by_centre
from jinsuan.entrypoints import clock
from jinsuan.entrypoints.portal.acting import actor_of, signed_in
from jinsuan.entrypoints.portal.province import CentreSummary, centres
from jinsuan.entrypoints.portal.refusals import Way, refuse
from jinsuan.entrypoints.portal.show import Chip, ago, lasting
from jinsuan.entrypoints.portal.words import attempt_chip
from jinsuan.kernel.errors import BadInput, NotAllowed
from jinsuan.kernel.quantity import show_milli
from jinsuan.kernel.ref import Actor, Role
from jinsuan.registry.actions.centres import set_centre_state
from jinsuan.registry.queries import (
    SILENT_AFTER,
    NodeView,
    access_centre,
    agent_of,
    centres_of,
    free_capacity,
    nodes_of,
)

WATCHERS = (
    Role.CENTRE_OPERATOR,
    Role.PLATFORM_OPERATOR,
    Role.PROVINCIAL_OFFICER,
    Role.AUDITOR,
)
HANDS = (Role.CENTRE_OPERATOR, Role.PLATFORM_OPERATOR)
"""Who may open and pause; the others look."""
NODES = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeRow:
    """One node in words."""

    name: str
    model: str
    cards: str
    cores: str
    memory: str
    chip: Chip


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseRow:
    """One live attempt in words."""

    view: LeaseView
    chip: Chip
    where: str
    heard: str


@require_safe
@signed_in(*WATCHERS)
def desk(request: HttpRequest) -> HttpResponse:
    """中心: all that this viewer manages or inspects."""
    now, actor = clock.now(), actor_of(request)
    mine = {row.code for row in centres_of(actor)}
    found = [c for c in centres(free_capacity(now=now), now=now) if c.code in mine]
    leases = leases_by_centre()
    waiting = sorted(mine - {c.code for c in found})
    page: dict[str, Any] = {
        "rows": [(c, leases.get(c.ref.id, 0), _heard(c.seen_at, now)) for c in found],
        "waiting": waiting,
        "silent": sum(1 for c in found if not c.in_touch),
        "closed": sum(1 for c in found if c.reason),
        "leases": sum(leases.get(c.ref.id, 0) for c in found),
        "count": len(mine),
        "limit": lasting(SILENT_AFTER),
        "now": now,
        "crumbs": [("中心", "")],
    }
    return render(request, "portal/desk.html", page)


@signed_in(*WATCHERS)
@require_http_methods(["GET", "HEAD", "POST"])
def desk_centre(request: HttpRequest, code: str) -> HttpResponse:
    """One centre: its agent, its leases, its nodes; POST opens or pauses it."""
    actor = actor_of(request)
    row = access_centre(actor, code)
    here = reverse("portal:desk_centre", args=[code])
    if request.method == "POST":
        try:
            _switch(request, actor, row)
        except BadInput as error:
            back = Way(href=here, what=f"回到{row.name}", then="写上原因再办")
            crumbs = (("中心", reverse("portal:desk")), (row.name, here), ("没有办成", ""))
            return refuse(request, error, ways=(back,), crumbs=crumbs)
        return HttpResponseRedirect(here)
    now = clock.now()
    found = centres((c for c in free_capacity(now=now) if c.centre_code == code), now=now)
    summary: CentreSummary | None = found[0] if found else None
    leases = leases_at(row.id)
    nodes = nodes_of(row.id)
    page: dict[str, Any] = {
        "code": code,
        "name": row.name,
        "owner": row.owner.name,
        "open": row.state == row.State.OPEN,
        "reason": row.state_reason,
        "centre": summary,
        "agent": agent_of(row.id),
        "heard": _heard(None if summary is None else summary.seen_at, now),
        "leases": [_lease(lease, now) for lease in leases],
        "nodes": [_node(node) for node in nodes[:NODES]],
        "node_count": len(nodes),
        "away": sum(1 for node in nodes if not node.online),
        "may_switch": actor.role in HANDS,
        "now": now,
        "crumbs": [("中心", reverse("portal:desk")), (row.name, "")],
    }
    return render(request, "portal/desk_centre.html", page)


def _switch(request: HttpRequest, actor: Actor, row: Any) -> None:
    """Open, or pause with a reason that everybody sees."""
    if actor.role not in HANDS:
        raise NotAllowed("开关中心", "算力企业、平台运营")
    act, reason = request.POST.get("act"), request.POST.get("reason", "").strip()
    if act == "pause" and not reason:
        raise BadInput("原因", "没有写", "暂停的原因下单的人会看到，例如：例行检修。")
    if act not in ("open", "pause"):
        raise BadInput("操作", "读不懂", "请回到中心页再办。")
    state = row.State.OPEN if act == "open" else row.State.PAUSED
    set_centre_state(row.id, state, reason=reason[:200] or "恢复接单", actor=actor, now=clock.now())
    words = "已恢复接单。" if act == "open" else "已暂停接单。正在运行的作业不受影响。"
    messages.success(request, words)


def _heard(seen: datetime | None, now: datetime) -> str:
    return "从来没有" if seen is None else ago(seen, now)


def _lease(view: LeaseView, now: datetime) -> LeaseRow:
    places = []
    for share in view.nodes:
        cards = "、".join(str(i) for i in share.get("cards", []))
        places.append(f"{share['node']}（卡 {cards}）" if cards else str(share["node"]))
    return LeaseRow(
        view=view,
        chip=attempt_chip(view.state),
        where="，".join(places) or "—",
        heard="—" if view.reported_at is None else ago(view.reported_at, now),
    )


def _node(view: NodeView) -> NodeRow:
    taken = sum(view.cards_taken_milli)
    count = len(view.cards_taken_milli)
    return NodeRow(
        name=view.name,
        model=view.model or "没有加速卡",
        cards=f"{show_milli(taken)} / {count}" if count else "—",
        cores=f"{show_milli(view.cpu_taken_milli)} / {show_milli(view.cpu_milli)}",
        memory=f"{view.memory_taken_mib // 1024} / {view.memory_mib // 1024}",
        chip=Chip("在线", "ok", "check") if view.online else Chip("不在", "warn", "warn"),
    )
