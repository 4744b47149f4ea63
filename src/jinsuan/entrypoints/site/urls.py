"""Which address leads where."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path, re_path

from jinsuan.entrypoints.api.agent import enrol_agent, sync_agent
from jinsuan.entrypoints.api.edge import nowhere
from jinsuan.entrypoints.api.v1 import api
from jinsuan.entrypoints.site.health import healthz, readyz

urlpatterns: list[URLPattern | URLResolver] = [
    path("healthz", healthz),
    path("readyz", readyz),
    path("api/v1/", api.urls),
    path("agent/v1/enrol", enrol_agent),
    path("agent/v1/sync", sync_agent),
    # In ASCII: providers compare the callback's address letter by letter, each escaping in its way.
    path("sso/", include("allauth.socialaccount.providers.openid_connect.urls")),
    re_path(r"^(?:api|agent)(?:/|$)", nowhere),
    path("", include("jinsuan.entrypoints.portal.urls")),
]
handler400 = "jinsuan.entrypoints.portal.refusals.bad_request"
handler403 = "jinsuan.entrypoints.portal.refusals.not_found"
handler404 = "jinsuan.entrypoints.portal.refusals.not_found"
handler500 = "jinsuan.entrypoints.site.broken.broken"
