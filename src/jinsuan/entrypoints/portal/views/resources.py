"""算力资源: the centres and what is free at them, for everybody."""

from __future__ import annotations

from datetime import date, datetime

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from jinsuan.entrypoints import clock
from jinsuan.entrypoints.portal import province
from jinsuan.entrypoints.portal.words import engine
from jinsuan.kernel.errors import NotFound
from jinsuan.kernel.period import beijing_date
from jinsuan.metering.queries import tariffs_on
from jinsuan.metering.rating import show_price, spoken
from jinsuan.registry.queries import free_capacity


@require_safe
def resources(request: HttpRequest) -> HttpResponse:
    """算力资源: every centre with its cards; by city and by model."""
    now = clock.now()
    found = province.centres(free_capacity(now=now), now=now)
    models = [count.model for count in province.model_counts(found)]
    city, model = request.GET.get("city", ""), request.GET.get("model", "")
    shown = [
        c
        for c in found
        if (not city or c.city == city) and (not model or model in {m.model for m in c.models})
    ]
    page = {
        "now": now,
        "centres": shown,
        "of": len(found),
        "cities": [name for name, _ in province.BRICKS],
        "models": models,
        "city": city,
        "model": model,
        "crumbs": [("算力资源", "")],
    }
    return render(request, "portal/resources.html", page)


@require_safe
def centre(request: HttpRequest, code: str) -> HttpResponse:
    """One centre: cards, clusters, prices of today."""
    now = clock.now()
    found = province.centres(free_capacity(now=now), now=now)
    one = next((c for c in found if c.code == code), None)
    if one is None:
        raise NotFound("算力中心", code[:60])
    clusters = [(c.name, engine(c.engine), len(c.nodes)) for c in one.clusters]
    page = {
        "now": now,
        "centre": one,
        "scale": province.scale_of(one.models),
        "clusters": clusters,
        "prices": _prices(one, now),
        "crumbs": [("算力资源", reverse("portal:resources")), (one.name, "")],
    }
    return render(request, "portal/centre.html", page)


def _prices(one: province.CentreSummary, now: datetime) -> list[tuple[str, str, str, date]]:
    """What is billed, its price, per what, and since when."""
    rows = []
    for (_, name), tariff in sorted(
        tariffs_on([one.ref.id], on=beijing_date(now)).items(), key=lambda item: item[0][1]
    ):
        what, per = spoken(name)
        rows.append((what, show_price(tariff.millifen_per_hour), per, tariff.effective_on))
    return rows
