"""Notifications on their page, in the header, and for programs."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import unquote

import pytest
from django.http import HttpResponse
from django.test import Client

from jinsuan.casework.models import Case
from jinsuan.entrypoints import clock
from jinsuan.kernel.ref import Actor
from jinsuan.ledger.delivery import (
    mark_all_read,
    notifications_of,
    unread_count,
)
from jinsuan.registry.actions.agents import issue_token
from jinsuan.registry.models import Person
from tests.flows.paid_world import LATE, make_paid
from tests.flows.test_notifications import go, told
from tests.flows.voucher_world import NOW, make_cast


def as_(actor: Actor) -> Client:
    client = Client()
    client.force_login(Person.objects.get(id=actor.person))
    return client


def text(answer: HttpResponse) -> str:
    assert answer.status_code == 200, answer.content.decode()[:300]
    return answer.content.decode()


@pytest.mark.django_db
def test_the_page_counts_leads_on_and_marks_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: LATE)
    paid = make_paid()
    go(LATE)
    cast = paid.cast
    tenant = as_(cast.tenant)
    assert 'class="count">5<' in text(tenant.get("/"))
    page = text(tenant.get("/通知"))
    assert page.index("算力券已发放") < page.index("开始公示") < page.index("初核通过")
    approved = next(one for one in told(cast.tenant) if one.kind == "case.approved")
    went = tenant.post(f"/通知/{approved.ref}", {"go": "1"})
    number = Case.objects.get(id=paid.case).number
    assert unquote(went["Location"]) == f"/算力券/申领/{number}"
    assert tenant.get(went["Location"]).status_code == 200
    assert 'class="count">4<' in text(tenant.get("/"))
    assert "审定通过" not in text(tenant.get("/通知?unread=1"))
    # Everybody can open what they are told of.
    for actor in (cast.tenant, cast.provider, cast.city, cast.officer, cast.payer, cast.checker):
        client = as_(actor)
        for one in told(actor):
            where = client.post(f"/通知/{one.ref}", {"go": "1"})
            assert where.status_code == 302
            assert client.get(where["Location"]).status_code == 200, (actor.role, one.kind)
        assert unread_count(actor) == 0
        assert 'class="count"' not in text(client.get("/"))
    stranger = as_(cast.provider)
    for which in (approved.ref, "notification_x", "case_x"):
        assert stranger.post(f"/通知/{which}", {"go": "1"}).status_code == 404
    assert tenant.get(f"/通知/{approved.ref}").status_code == 405


@pytest.mark.django_db
def test_all_read_marks_what_the_page_showed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: NOW)
    cast = make_cast()
    case = cast.apply()
    cast.recommend(case)
    go()
    tenant = as_(cast.tenant)
    _, _, rest = text(tenant.get("/通知")).partition('name="through" value="')
    through = rest.partition('"')[0]
    cast.approve(case)
    go()
    assert tenant.post("/通知", {"through": through}).status_code == 302
    assert unread_count(cast.tenant) == 2
    assert tenant.post("/通知", {"through": "x"}).status_code == 302
    assert unread_count(cast.tenant) == 2


@pytest.mark.django_db
def test_programs_read_the_same_page_by_page_and_only_their_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(clock, "now", lambda: LATE)
    cast = make_paid().cast
    go(LATE)

    def ask(actor: Actor, query: str = "") -> list[dict[str, object]]:
        assert actor.person is not None and actor.organisation is not None
        secret = issue_token(
            person=actor.person,
            organisation=actor.organisation,
            role=actor.role,
            scopes=["account:read"],
            label="t",
            expires_at=LATE + timedelta(days=1),
            actor=actor,
            now=LATE,
        )
        found: list[dict[str, object]] = []
        cursor = ""
        while True:
            answer = Client().get(
                f"/api/v1/notifications?limit=2{cursor}{query}",
                headers={"authorization": f"Bearer {secret}"},
            )
            assert answer.status_code == 200, answer.content
            found += answer.json()["items"]
            if (at := answer.json()["next_cursor"]) is None:
                return found
            cursor = f"&cursor={at}"

    for actor in (cast.tenant, cast.provider, cast.payer):
        assert [one["id"] for one in ask(actor)] == [
            str(one.ref) for one in notifications_of(actor)
        ]
    mark_all_read(through=10**9, actor=cast.tenant, now=LATE)
    assert ask(cast.tenant, "&unread=true") == []
