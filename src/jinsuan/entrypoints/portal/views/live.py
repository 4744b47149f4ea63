"""What a job's page asks again every five seconds while the job lives."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from jinsuan.dispatch import queries
from jinsuan.dispatch.queries import JobView
from jinsuan.entrypoints import clock
from jinsuan.entrypoints.portal.acting import acting_of, actor_of, signed_in
from jinsuan.entrypoints.portal.money import bill
from jinsuan.entrypoints.portal.show import Chip, lasting
from jinsuan.entrypoints.portal.timeline import steps
from jinsuan.entrypoints.portal.words import attempt_chip, job_chip
from jinsuan.kernel.ref import Role
from jinsuan.protocol.states import AttemptState, JobState
from jinsuan.vouchers.queries import fundings_of

OVER = (JobState.ENDED, JobState.SETTLED)

TAIL = 16 * 1024
"""Bytes of output on the page; all of it is a download."""
CHUNK = 1024 * 1024
UNSEEN = {code: "�" for code in range(32) if chr(code) not in "\n\t"}


@require_safe
@signed_in()
def job_live(request: HttpRequest, job_id: str) -> HttpResponse:
    """Lead, money and progress."""
    view = queries.access_job(actor_of(request), queries.job_ref(job_id))
    return render(request, "portal/parts/job_live.html", live_parts(request, view))


@require_safe
@signed_in()
def job_log(request: HttpRequest, job_id: str) -> HttpResponse:
    """The end of the output; 204 while nothing came since `seen`, so the page is left alone."""
    view = queries.access_job(actor_of(request), queries.job_ref(job_id))
    shown = log_of(view)
    if request.GET.get("seen") == shown["seen"]:
        return HttpResponse(status=204)
    return render(request, "portal/parts/job_log.html", {"job": view, **shown})


@require_safe
@signed_in()
def job_log_file(request: HttpRequest, job_id: str) -> HttpResponse:
    """The whole output of the latest attempt as a file, exactly as it was written."""
    view = queries.access_job(actor_of(request), queries.job_ref(job_id))
    text = b""
    while view.attempts:
        part, _ = queries.read_log(view.attempts[-1].ref.id, offset=len(text), limit=CHUNK)
        if not part:
            break
        text += part
    response = HttpResponse(text, content_type="text/plain; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{view.ref}.log"'
    response["X-Content-Type-Options"] = "nosniff"
    return response


def chip_of(job: JobView) -> Chip:
    return job_chip(job.state, job.outcome, stopping=job.cancel_requested_at is not None)


def lasting_of(job: JobView, now: datetime) -> str:
    """How long it ran; — before it began."""
    if job.started_at is None:
        return "—"
    return lasting((job.ended_at or now) - job.started_at)


def live_parts(request: HttpRequest, view: JobView) -> dict[str, Any]:
    """What changes while a job lives."""
    now = clock.now()
    fundings = fundings_of(view.ref.id)
    last = view.attempts[-1] if view.attempts else None
    acting = acting_of(request)
    assert acting is not None
    return {
        "job": view,
        "chip": chip_of(view),
        "attempt_chip": attempt_chip(last.state)
        if last and last.state == AttemptState.UNREACHABLE
        else None,
        "last": last,
        "lasting": lasting_of(view, now),
        "bill": bill(view.ref.id, fundings),
        "steps": steps(view, fundings, now=now),
        "live": view.state != JobState.SETTLED,
        "may_stop": acting.role is Role.TENANT
        and view.state not in OVER
        and view.cancel_requested_at is None,
        "now": now,
    }


def log_of(view: JobView) -> dict[str, Any]:
    """The last part of the latest attempt's output, from a line's beginning."""
    last = view.attempts[-1] if view.attempts else None
    size = 0 if last is None else last.log_bytes
    growing = last is None or last.state != AttemptState.ENDED
    text = b""
    if last is not None and size:
        start = max(0, size - TAIL)
        text, _ = queries.read_log(last.ref.id, offset=start, limit=TAIL)
        if start:
            text = text.partition(b"\n")[2]
    number = 0 if last is None else last.number
    return {
        "log": text.decode("utf-8", "replace").translate(UNSEEN),
        "log_bytes": size,
        "log_size": _size(size),
        "cut": size > TAIL,
        "growing": growing,
        "seen": f"{number}.{size}.{int(growing)}",
    }


def _size(count: int) -> str:
    """Bytes for people, cut to one decimal."""
    if count < 1024:
        return f"{count} 字节"
    tenths, unit = count * 10 // 1024, "KB"
    if tenths >= 10_240:
        tenths, unit = tenths // 1024, "MB"
    return f"{tenths // 10}.{tenths % 10} {unit}"
