"""Whatever a stranger's program sends, the answer is an explained refusal and nothing happened."""

from __future__ import annotations

import json
from typing import Any

import pytest

from jinsuan.dispatch.models import Job
from jinsuan.entrypoints.api.models import KeptAnswer
from jinsuan.kernel.money import Money
from tests.contracts.api_world import SPEC, Province
from tests.contracts.test_api_doors import is_problem


def spec(**more: Any) -> dict[str, Any]:
    return {**SPEC, **more}


BAD_SPECS: list[tuple[str, dict[str, Any], str, str]] = [
    ("unknown key", spec(gpus=8), "gpus", "resources.accelerators"),
    ("misspelt key", spec(max_duraton="1h"), "max_duraton", "max_duration"),
    ("nested unknown", spec(resources={"cpu": 2}), "resources.cpu", "cpus"),
    ("negative budget", spec(budget={"total": "-1"}), "budget.total", "元"),
    ("nothing to spend", spec(budget={"total": "0"}), "budget.total", "大于 0"),
    ("exponent", spec(budget={"total": "1e400"}), "budget.total", "元"),
    ("NaN as text", spec(budget={"total": "NaN"}), "budget.total", "元"),
    ("Infinity as text", spec(max_duration="Infinity"), "max_duration", "时长"),
    ("no limit", {"name": "a", "run": "b"}, "max_duration", "budget.total"),
    ("a list", spec(name=["a"]), "name", "文本"),
    ("control characters", spec(name="a\x1b[31mb"), "name", "控制字符"),
    ("turned around", spec(name="txt\u202egpj"), "name", "控制字符"),
    ("null byte", spec(name="a\x00b"), "name", "控制字符"),
    ("half a character", spec(name="\ud800"), "name", "控制字符"),
    ("long name", spec(name="长" * 41), "name", "120"),
    ("million nodes", spec(num_nodes=1_000_000), "num_nodes", "1024"),
    ("a year and more", spec(max_duration="366d"), "max_duration", "365"),
    ("env with null", spec(envs={"A": "x\x00"}), "envs.A", "控制字符"),
    ("env name", spec(envs={"LD PRELOAD": "x"}), "envs.LD PRELOAD", "名"),
]


@pytest.mark.parametrize(
    ("body", "path", "words"), [b[1:] for b in BAD_SPECS], ids=[b[0] for b in BAD_SPECS]
)
def test_a_bad_specification_is_told_where_and_what(
    province: Province, body: dict[str, Any], path: str, words: str
) -> None:
    for address in ("/jobs", "/jobs/plan"):
        found = is_problem(province.mine.post(address, body, "k"), 422)

        (one,) = [p for p in found["problems"] if p["path"] == path]
        assert words in f"{one['problem']} {one['mend']}"
    assert not Job.objects.exists()
    assert not KeptAnswer.objects.exists()


def test_all_problems_come_at_once_and_never_too_many(province: Province) -> None:
    body = {f"key{i}": 1 for i in range(5000)}

    assert len(is_problem(province.mine.post("/jobs", body, "k"), 422)["problems"]) == 100


UNREADABLE = {
    "no JSON": b"name: x",
    "nothing": b"",
    "NaN": b'{"name": NaN}',
    "Infinity": b'{"priority": Infinity}',
    "a key twice": b'{"name": "a", "name": "b"}',
    "a key twice inside": b'{"envs": {"A": "1", "A": "2"}}',
    "deep": b"[" * 100_000,
    "deep objects": b'{"a":' * 20_000,
    "no UTF-8": b'{"name": "\xff"}',
    "a million bytes": b'{"name": "' + b"a" * 1_000_000 + b'"}',
    "ten million bytes": b'{"name": "' + b"a" * 10_000_000 + b'"}',
    "a thousand digits": b'{"priority": ' + b"9" * 1000 + b"}",
    "ten thousand digits": b'{"priority": ' + b"9" * 10_000 + b"}",
}


@pytest.mark.parametrize("body", UNREADABLE.values(), ids=UNREADABLE.keys())
def test_an_unreadable_body_is_refused_in_words(province: Province, body: bytes) -> None:
    job = province.order()

    for address in ("/jobs", "/jobs/plan", f"/jobs/{job}/cancel"):
        found = is_problem(province.mine.post(address, body, "k"), 400)
        assert found["code"] == "api.body_unreadable"
        assert "JSON" in found["detail"]
    assert Job.objects.count() == 1


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        "x",
        7,
        {},
        {"reason": ""},
        {"reason": "  "},
        {"reason": 7},
        {"reason": "长" * 201},
        {"reason": "a\x00b"},
        {"reason": "\ud800"},
        {"reason": "x", "force": True},
    ],
    ids=repr,
)
def test_a_reason_to_stop_is_one_line_of_text(province: Province, body: object) -> None:
    job = province.order()

    is_problem(province.mine.post(f"/jobs/{job}/cancel", json.dumps(body).encode(), "k"), 422)

    assert Job.objects.get().cancel_requested_at is None


@pytest.mark.parametrize("number", [b"1e400", b"-1", b"1e-400", b"-0.0", b"0.001", b"1E+2"])
def test_numbers_that_are_no_amount_are_refused(province: Province, number: bytes) -> None:
    body = json.dumps(spec(budget={"total": "@"})).encode().replace(b'"@"', number)

    is_problem(province.mine.post("/jobs", body, "k"), 422)


def test_a_fraction_in_json_is_read_as_it_was_written(province: Province) -> None:
    body = json.dumps(spec(budget={"total": "@"})).encode().replace(b'"@"', b"0.10")

    answer = province.mine.post("/jobs", body, "k")

    assert answer.status_code == 201
    assert answer.json()["id"]
    assert Job.objects.get().spec["budget"]["total"] == "0.10"


def test_html_in_a_name_stays_text(province: Province) -> None:
    name = "<script>alert(1)</script>&amp;'\""
    job = province.order("html", name=name)

    answer = province.mine.get(f"/jobs/{job}")

    assert answer.json()["name"] == name
    assert answer["Content-Type"].startswith("application/json")
    assert answer["X-Content-Type-Options"] == "nosniff"


def test_a_job_that_nobody_can_run_is_refused_with_every_reason(province: Province) -> None:
    body = spec(resources={"accelerators": "H800:8", "cpus": 2, "memory": "1GB"})

    found = is_problem(province.mine.post("/jobs", body, "k"), 409)
    plan = province.mine.post("/jobs/plan", body).json()

    assert found["code"] == "dispatch.nowhere_to_run"
    assert plan["candidates"] == []
    assert [(r["centre"], bool(r["cause"]), r["passing"]) for r in plan["refused"]] == [
        ("T01", True, False)
    ]
    assert plan["refused"][0]["cause"] in found["detail"]
    assert not Job.objects.exists()


def test_a_tenant_without_money_orders_nothing(province: Province) -> None:
    found = is_problem(province.theirs.post("/jobs", SPEC, "k"), 409)

    assert found["code"] == "vouchers.not_enough_money"
    assert not Job.objects.exists()
    candidate = province.theirs.post("/jobs/plan", SPEC).json()["candidates"][0]
    assert candidate["affordable"] is False


def test_a_voucher_of_another_tenant_pays_nothing(province: Province) -> None:
    (voucher,) = province.mine.get("/vouchers").json()["items"]
    body = spec(budget={"total": "5.00", "voucher": voucher["id"]})

    is_problem(province.theirs.post("/jobs", body, "k"), 409)
    plan = province.theirs.post("/jobs/plan", body).json()

    assert {c["from_vouchers"] for c in plan["candidates"]} == {Money(0).plain}
    assert not Job.objects.exists()


STRANGE_IDS = [
    "job_" + "0" * 25,
    "job_" + "z" * 26,
    "job_" + "7" + "z" * 25,
    "..",
    "..%2f..%2fetc%2fpasswd",
    "%2e%2e%2fme",
    "job_%00",
    "%F0%9F%98%80",
    "%ff",
    "x" * 3000,
    "';DROP TABLE registry_person;--",
    "attempt_" + "0" * 26,
    "%0d%0aX-Evil:1",
]


@pytest.mark.parametrize("name", STRANGE_IDS)
def test_an_id_that_is_none_is_simply_not_found(province: Province, name: str) -> None:
    for path in ("/jobs/{}", "/jobs/{}/log", "/jobs/{}/attempts", "/jobs/{}/charges"):
        is_problem(province.mine.get(path.format(name)), 404)
    for path in ("/centres/{}", "/vouchers/{}", "/vouchers/{}/statement", "/trace/{}"):
        is_problem(province.mine.get(path.format(name)), 404)
    is_problem(province.mine.post(f"/jobs/{name}/cancel", {"reason": "x"}, "k"), 404)


PAGES = (
    *("/jobs", "/centres", "/vouchers", "/account/statement"),
    *("/pools", "/applications", "/redemptions"),
)


@pytest.mark.parametrize(
    "path", [*PAGES, "/jobs/@/attempts", "/jobs/@/charges", "/vouchers/@/statement"]
)
def test_a_bad_page_is_refused(province: Province, path: str) -> None:
    job = province.order()
    voucher = province.mine.get("/vouchers").json()["items"][0]["id"]
    path = path.replace("@", job if "jobs" in path else voucher)

    positions = () if path == "/centres" else ("-1", "1e9", "9" * 30, "job_zz")
    for cursor in ("%00", "x y", "长" * 50, "", *positions):
        is_problem(province.mine.get(f"{path}?cursor={cursor}"), 422)
    for limit in ("0", "-1", "201", "x", "1.5", "", "9" * 30):
        is_problem(province.mine.get(f"{path}?limit={limit}"), 422)


@pytest.mark.parametrize("query", ["offset=-1", "offset=x", f"offset={2**41}", "offset=1e3"])
def test_a_bad_offset_is_refused(province: Province, query: str) -> None:
    is_problem(province.mine.get(f"/jobs/{province.order()}/log?{query}"), 422)


def test_an_unknown_state_is_refused(province: Province) -> None:
    is_problem(province.mine.get("/jobs?state=done"), 422)
