"""总览: the province on one page, for everybody."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from jinsuan.dispatch import queries as dispatch
from jinsuan.entrypoints import clock
from jinsuan.entrypoints.portal import province
from jinsuan.entrypoints.portal.words import job_chip
from jinsuan.protocol.states import JobState, Outcome
from jinsuan.registry.queries import free_capacity


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """总览: four figures, eleven cities, models, jobs."""
    which = request.GET.get("figure", "pflops")
    if which not in province.FIGURES:
        which = "pflops"
    now = clock.now()
    found = province.centres(free_capacity(now=now), now=now)
    cities = province.cities(found)
    counts = province.model_counts(found)
    tabs = [
        (word, f"{reverse('portal:home')}?figure={name}#cities", name == which)
        for name, (word, _unit) in province.FIGURES.items()
    ]
    page = {
        **_live(),
        "now": now,
        "bricks": province.bricks(cities, which=which),
        "tabs": tabs,
        "cities": cities,
        "models": counts,
        "scale": province.scale_of(counts),
        "centres": len(found),
        "in_touch": sum(1 for c in found if c.in_touch),
        "silent": sum(1 for c in found if not c.in_touch),
        "cards": sum(m.cards for m in counts),
        "free": sum(m.free or 0 for m in counts),
    }
    return render(request, "portal/home.html", page)


@require_safe
def home_live(request: HttpRequest) -> HttpResponse:
    """The part of 总览 that asks again every five seconds."""
    return render(request, "portal/parts/province_jobs.html", {**_live(), "now": clock.now()})


def _live() -> dict[str, Any]:
    counts = dispatch.counts()
    states = [
        (job_chip(state, None), counts.by_state.get(state, 0))
        for state in (JobState.QUEUED, JobState.PLACED, JobState.RUNNING)
    ]
    outcomes = [
        (job_chip(JobState.ENDED, outcome), counts.by_outcome.get(outcome, 0))
        for outcome in Outcome
    ]
    return {
        "states": states,
        "outcomes": outcomes,
        "total": sum(counts.by_state.values()),
        "live": sum(number for _, number in states),
        "running": counts.by_state.get(JobState.RUNNING, 0),
        "queued": counts.by_state.get(JobState.QUEUED, 0),
        "waiting": dispatch.reasons_waiting(limit=3),
    }
