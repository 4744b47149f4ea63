"""作业: the list, one job, and stopping it."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_http_methods, require_safe

from jinsuan.dispatch import actions as dispatch, queries
from jinsuan.dispatch.errors import JobOver
from jinsuan.dispatch.queries import JobView
from jinsuan.entrypoints import clock
from jinsuan.entrypoints.portal.acting import actor_of, signed_in
from jinsuan.entrypoints.portal.refusals import Way, refuse
from jinsuan.entrypoints.portal.show import lasting
from jinsuan.entrypoints.portal.timeline import limit_of
from jinsuan.entrypoints.portal.views.live import OVER, chip_of, lasting_of, live_parts, log_of
from jinsuan.entrypoints.portal.words import settled_word
from jinsuan.kernel.ref import Actor, Role
from jinsuan.protocol.states import JOB_STATE_ZH, JobState
from jinsuan.registry.queries import person_name
from jinsuan.vouchers.queries import money_of

LISTED = 20


@require_safe
@signed_in()
def jobs(request: HttpRequest) -> HttpResponse:
    """作业: newest first, by state, in pages."""
    wanted = request.GET.get("state", "")
    state = wanted if wanted in set(JobState) else None
    after = request.GET.get("after") or None
    now, viewer = clock.now(), actor_of(request)
    page = queries.jobs_for(viewer, state=state, after=after, limit=LISTED)
    ids = [job.ref.id for job in page.jobs]
    money, places = money_of(ids), queries.last_centres(ids)
    rows = [
        {
            "job": job,
            "chip": chip_of(job),
            "settled": settled_word(job.state) if job.state == JobState.ENDED else "",
            "centre": places.get(job.ref.id, ""),
            "captured": spent.captured if (spent := money.get(job.ref.id)) else None,
            "held": spent.held if spent else None,
            "lasting": lasting_of(job, now),
        }
        for job in page.jobs
    ]
    here = reverse("portal:jobs")
    tabs = [("全部", here, state is None)]
    tabs += [(JOB_STATE_ZH[s], f"{here}?{urlencode({'state': s})}", s == state) for s in JobState]
    kept = {"state": state} if state else {}
    content: dict[str, Any] = {
        "rows": rows,
        "tabs": tabs,
        "state": "" if state is None else JOB_STATE_ZH[JobState(state)],
        "now": now,
        "mine": viewer.role is Role.TENANT,
        "newest": f"{here}?{urlencode(kept)}" if after else "",
        "older": f"{here}?{urlencode({**kept, 'after': page.next})}" if page.next else "",
        "crumbs": [("作业", "")],
    }
    return render(request, "portal/jobs.html", content)


@require_safe
@signed_in()
def job(request: HttpRequest, job_id: str) -> HttpResponse:
    """One job: money, log, progress, facts."""
    view = queries.access_job(actor_of(request), queries.job_ref(job_id))
    page = {
        **live_parts(request, view),
        **log_of(view),
        "facts": _facts(view),
        "crumbs": [("作业", reverse("portal:jobs")), (view.name, "")],
    }
    return render(request, "portal/job.html", page)


def _facts(view: JobView) -> list[tuple[str, str]]:
    """The order in words."""
    spec = view.spec
    resources = spec.get("resources", {})
    cards = "、".join(resources.get("accelerators", [])) or "不用加速卡"
    limit = limit_of(view)
    budget = spec.get("budget", {}).get("total")
    facts = [
        ("下单单位", view.tenant_name),
        ("下单人", person_name(view.person)),
        ("每节点", f"{cards}，{resources.get('cpus')} 核，{_memory(resources.get('memory', ''))}"),
        ("节点数", str(spec.get("num_nodes", 1))),
        ("最长运行", lasting(limit) if limit else "不限，到预算为止"),
        ("预算上限", f"{budget} 元" if budget else "没有设"),
        ("优先级", str(view.priority)),
    ]
    for share in view.attempts[-1].allocation if view.attempts else ():
        cards_held = "、".join(str(i) for i in share.get("cards", []))
        facts.append(("节点", f"{share['node']}" + (f"，卡 {cards_held}" if cards_held else "")))
    return facts


def _memory(text: str) -> str:
    mib = int(text.removesuffix("MiB") or 0)
    return f"{mib // 1024} GiB" if mib % 1024 == 0 else f"{mib} MiB"


@signed_in(Role.TENANT)
@require_http_methods(["GET", "HEAD", "POST"])
def stop(request: HttpRequest, job_id: str) -> HttpResponse:
    """停止作业: what it means, and doing it."""
    actor = actor_of(request)
    view = queries.access_job(actor, queries.job_ref(job_id))
    back = reverse("portal:job", args=[view.ref])
    crumbs = (("作业", reverse("portal:jobs")), (view.name, back), ("停止作业", ""))
    if request.method != "POST" and view.state not in OVER:
        page = {**live_parts(request, view), "crumbs": crumbs}
        return render(request, "portal/stop.html", page)
    reason = request.POST.get("reason", "").strip()[:200] or "下单方要求停止"
    try:
        _stop(view, reason, actor)
    except JobOver as error:
        ways = (Way(href=back, what="回到这个作业", then="看结果、费用和日志"),)
        return refuse(request, error, title="没有停止", ways=ways, crumbs=crumbs)
    messages.success(request, "已要求停止。中心收到后结束程序，按实际用量结清，其余解冻。")
    return HttpResponseRedirect(back)


def _stop(view: JobView, reason: str, actor: Actor) -> None:
    if view.state in OVER:
        raise JobOver(str(view.ref))
    dispatch.cancel(view.ref.id, reason=reason, actor=actor, now=clock.now())
