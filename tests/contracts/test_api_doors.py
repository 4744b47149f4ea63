"""Every address of the API, from its own document: no token, a wrong tenant, a wrong scope."""

from __future__ import annotations

import re
from datetime import date
from typing import Any
from uuid import UUID

import pytest

from jinsuan.entrypoints import clock
from jinsuan.entrypoints.api.v1 import api
from jinsuan.entrypoints.longwork.run import run_next
from jinsuan.kernel.ref import Actor, Ref, Role
from jinsuan.registry.actions.agents import revoke_token
from jinsuan.registry.models import ApiToken, Membership, Person
from jinsuan.registry.scopes import SCOPES
from tests.contracts.api_world import SPEC, Caller, Province
from tests.flows.world import SYSTEM

DOCUMENT = api.get_openapi_schema()
ROUTES = sorted(
    (method.upper(), path.removeprefix("/api/v1"))
    for path, methods in DOCUMENT["paths"].items()
    for method in methods
)
ONE_THING = [route for route in ROUTES if "{" in route[1]]
PUBLIC = {
    ("GET", "/centres/{code}"),
    ("GET", "/centres"),
    ("POST", "/jobs/plan"),
    ("GET", "/policy/packs"),
    ("GET", "/policy/packs/{pack_id}"),
    ("POST", "/policy/packs/{pack_id}/decide"),
    ("GET", "/pools"),
    ("GET", "/pools/{pool_id}"),
}
"""What every tenant may see: where there is room, what it would cost, the law, and the pools."""
OFFICIAL = {("GET", "/trace/{ref}/bundle")}
"""What no tenant may see, not even of its own."""
SCOPE_OF = {
    "/jobs/{job_id}/cancel": "jobs:write",
    "/jobs": "jobs:read",
    "/centres": "centres:read",
    "/account": "account:read",
    "/vouchers": "account:read",
    "/statements": "account:read",
    "/exports": "account:read",
    "/notifications": "account:read",
    "/trace": "trace:read",
    "/policy": "policy:read",
    "/pools": "account:read",
    "/applications": "cases:read",
    "/redemptions": "cases:read",
}
BODIES: dict[str, Any] = {
    "/exports": {"month": "2025-03"},
    "/jobs": SPEC,
    "/jobs/plan": SPEC,
    "/jobs/{job_id}/cancel": {"reason": "x"},
    "/policy/packs/{pack_id}/decide": {"g_dishonest": False},
}


def scope_of(method: str, path: str) -> str | None:
    if (method, path) == ("POST", "/jobs"):
        return "jobs:write"
    if method == "POST" and path.startswith(("/applications", "/redemptions")):
        return "cases:write"
    return next((scope for start, scope in SCOPE_OF.items() if path.startswith(start)), None)


def asked(caller: Caller, method: str, path: str, places: dict[str, str]) -> Any:
    filled = re.sub(r"\{(\w+)\}", lambda found: places[found[1]], path)
    body = BODIES.get(path) if method == "POST" else None
    return caller.ask(method, filled, body, **{"Idempotency-Key": f"{method} {filled}"})


def places_of(province: Province) -> dict[str, str]:
    """One real thing of my own for every parameter of every address."""
    job = province.run()
    (charge,) = province.mine.get(f"/jobs/{job}/charges").json()["items"]
    (voucher,) = province.mine.get("/vouchers").json()["items"]
    return {
        "job_id": job,
        "voucher_id": voucher["id"],
        "code": province.world.centre,
        "ref": charge["transfers"][0]["ref"],
        "pack_id": "shanxi-2024-35",
        "export_id": export_of(province),
        **province.cases(),
    }


def export_of(province: Province) -> str:
    """A finished one."""
    asked_for = province.mine.ask("POST", "/exports", {}, **{"Idempotency-Key": "an export"})
    assert asked_for.status_code == 201, asked_for.content.decode()
    run_next(clock.now)
    return str(asked_for.json()["id"])


def is_problem(answer: Any, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.content.decode()
    assert answer["Content-Type"] == "application/problem+json"
    found: dict[str, Any] = answer.json()
    assert (found["status"], bool(found["code"]), bool(found["detail"])) == (status, True, True)
    return found


def test_every_parameter_of_every_address_has_a_real_thing(province: Province) -> None:
    places = places_of(province)

    named = {name for _, path in ROUTES for name in re.findall(r"\{(\w+)\}", path)}

    assert named == places.keys(), "give the new parameter a real thing in places_of"
    for method, path in ONE_THING:
        if (method, path) in OFFICIAL:
            officer = province.caller(province.world.officer)
            assert asked(officer, method, path, places).status_code == 200
            is_problem(asked(province.mine, method, path, places), 404)
        elif method == "GET":
            answer = asked(province.mine, method, path, places)
            assert answer.status_code == 200, (path, answer.content.decode())


def test_a_wrong_tenant_finds_nothing_anywhere(province: Province) -> None:
    places = places_of(province)
    seen = 0
    for method, path in ROUTES:
        answer = asked(province.theirs, method, path, places)
        if (method, path) in PUBLIC:
            continue
        if "{" in path:
            assert is_problem(answer, 404)["code"] == "not_found", path
            seen += 1
            continue
        for thing in (places["job_id"], places["voucher_id"], places["ref"]):
            assert thing not in answer.content.decode(), (method, path)
    assert seen == len([route for route in ONE_THING if route not in PUBLIC])


def test_a_wrong_tenant_cannot_tell_missing_from_forbidden(province: Province) -> None:
    job = province.order()
    missing = str(Ref("job", UUID(int=7)))

    told = [
        is_problem(province.theirs.get(f"/jobs/{name}"), 404)["detail"].replace(name, "…")
        for name in (job, missing)
    ]

    assert told[0] == told[1]


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_without_a_token_nothing_is_answered(province: Province, method: str, path: str) -> None:
    filled = re.sub(r"\{\w+\}", "x", path)

    for header in ("", "Basic YTpi", "Bearer", "Bearer ", "Bearer js_unknown", "Bearer 令"):
        body = BODIES.get(path)
        answer = province.mine.ask(method, filled, body, Authorization=header)
        is_problem(answer, 401)
        assert answer["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_a_token_of_every_other_scope_is_not_enough(
    province: Province, method: str, path: str
) -> None:
    needed = scope_of(method, path)
    if needed is None:
        assert path == "/me", "say in SCOPE_OF which scope this address needs"
        return
    others = [scope for scope in SCOPES if scope != needed]
    caller = province.caller(province.world.researcher, *others)
    places = dict.fromkeys(re.findall(r"\{(\w+)\}", path), "x")

    answer = asked(caller, method, path, places)

    assert is_problem(answer, 403)["needed"] == needed
    assert f'scope="{needed}"' in answer["WWW-Authenticate"]


def test_expired_revoked_unknown_and_dismissed_look_alike(province: Province) -> None:
    expired = province.caller(province.world.researcher, days=1)
    revoked = province.caller(province.world.researcher)
    row = ApiToken.objects.order_by("-id").first()
    assert row is not None
    revoke_token(row.id, reason="丢了", actor=SYSTEM, now=province.clock.now)
    dismissed = province.caller(province.stranger, days=90)
    Membership.objects.filter(person=province.stranger.person).update(
        effective_to=date(2025, 9, 17)
    )
    assert dismissed.get("/me").status_code == 200
    province.clock.pass_by(2 * 86400)

    told = {
        (is_problem(caller.get("/me"), 401)["code"], caller.get("/me").json()["detail"])
        for caller in (expired, revoked, dismissed, Caller("js_unknown"))
    }

    assert len(told) == 1
    assert province.mine.get("/me").status_code == 200


def test_a_person_who_was_switched_off_has_no_token_any_more(province: Province) -> None:
    Person.objects.filter(id=province.world.researcher.person).update(is_active=False)

    is_problem(province.mine.get("/me"), 401)


def test_a_cookie_is_no_token_and_a_token_needs_no_csrf(province: Province) -> None:
    client = province.mine.client
    client.force_login(Person.objects.get(id=province.world.researcher.person))
    nobody = Caller("x", client)

    is_problem(nobody.ask("GET", "/me", Authorization=""), 401)
    is_problem(nobody.ask("POST", "/jobs", SPEC, Authorization=""), 401)

    from django.test import Client

    strict = Caller(province.mine.token, Client(enforce_csrf_checks=True))
    assert strict.post("/jobs", SPEC, "k").status_code == 201


def test_the_people_of_the_state_see_a_job_and_cannot_stop_it(province: Province) -> None:
    job = province.order()
    for actor in (province.world.auditor, province.world.officer):
        caller = province.caller(actor)
        assert caller.get(f"/jobs/{job}").status_code == 200
        is_problem(caller.post(f"/jobs/{job}/cancel", {"reason": "看看"}, "k"), 403)
        is_problem(caller.post("/jobs", SPEC, "k2"), 403)


def test_a_centre_sees_the_jobs_that_it_ran_and_cannot_stop_them(province: Province) -> None:
    operator = Actor(
        person=province.world.auditor.person,
        organisation=province.world.provider,
        role=Role.CENTRE_OPERATOR,
        via="test",
    )
    assert operator.person is not None and operator.organisation is not None
    Membership.objects.create(
        person_id=operator.person,
        organisation_id=operator.organisation,
        role=operator.role,
        effective_from=date(2025, 1, 1),
    )
    caller = province.caller(operator)
    job = province.order()
    is_problem(caller.get(f"/jobs/{job}"), 404)
    province.lease()

    assert caller.get(f"/jobs/{job}").status_code == 200
    is_problem(caller.post(f"/jobs/{job}/cancel", {"reason": "让路"}, "k"), 403)


def test_a_program_that_asks_too_often_is_told_when_to_come_back(
    province: Province, settings: Any
) -> None:
    settings.API_RATE = (3, 60)
    answers = [province.mine.get("/me") for _ in range(5)]

    assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
    is_problem(answers[-1], 429)
    assert 1 <= int(answers[-1]["Retry-After"]) <= 20
    assert province.theirs.get("/me").status_code == 200, "one token's haste is not another's"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing", 404),
        ("GET", "/jobs/", 404),
        ("DELETE", "/jobs", 405),
        ("PUT", "/jobs/x/cancel", 405),
        ("GET", "/jobs/x/cancel", 405),
        ("GET", "/docs", 404),
    ],
)
def test_even_what_does_not_exist_is_explained(
    province: Province, method: str, path: str, status: int
) -> None:
    answer = province.mine.ask(method, path)

    is_problem(answer, status)
    assert status != 405 or answer["Allow"]


def test_the_document_can_be_fetched_without_a_token(province: Province) -> None:
    answer = province.mine.client.get("/api/v1/openapi.json")

    assert answer.status_code == 200
    assert answer.json()["paths"].keys() == DOCUMENT["paths"].keys()


def test_answers_are_never_kept_by_caches(province: Province) -> None:
    for path in ("/me", "/jobs", "/nothing"):
        assert province.mine.get(path)["Cache-Control"] == "no-store"
