"""Every list comes in pages that miss nothing and repeat nothing; money can be followed."""

from __future__ import annotations

from datetime import date
from typing import Any

from jinsuan.dispatch import actions as dispatch
from jinsuan.dispatch.models import LogPart
from jinsuan.kernel.money import Money
from jinsuan.protocol.messages import LogChunk
from jinsuan.protocol.states import AttemptState
from tests.contracts.api_world import Caller, Province, report
from tests.flows.world import PRICES


def walk(caller: Caller, path: str, *, limit: int) -> list[dict[str, Any]]:
    """All items of a list, page by page."""
    found: list[dict[str, Any]] = []
    cursor = ""
    for _ in range(100):
        page = caller.get(f"{path}?limit={limit}{cursor}").json()
        assert len(page["items"]) <= limit
        found += page["items"]
        if page["next_cursor"] is None:
            return found
        assert len(page["items"]) == limit
        cursor = f"&cursor={page['next_cursor']}"
    raise AssertionError("the pages never end")


def test_jobs_come_newest_first(province: Province) -> None:
    made = [province.order(f"job {i}") for i in range(5)]

    for limit in (1, 2, 5, 200):
        assert [job["id"] for job in walk(province.mine, "/jobs", limit=limit)] == made[::-1]
    assert walk(province.theirs, "/jobs", limit=2) == []


def test_centres_vouchers_and_statement_come_in_pages(province: Province) -> None:
    from tests.flows.world import issue

    for face in ("10", "20"):
        issue(
            programme="2025:m09",
            tenant=province.world.tenant,
            face=Money.yuan(face),
            expires_on=date(2025, 12, 31),
            reason="再发",
            actor=province.world.officer,
            now=province.clock.now,
        )
    province.run("a", seconds=600)
    province.run("b", seconds=600)

    for path in ("/centres", "/vouchers", "/account/statement"):
        whole = walk(province.mine, path, limit=200)
        assert len(whole) >= 2 or path == "/centres"
        assert walk(province.mine, path, limit=1) == whole


def test_a_centre_alone_shows_its_prices(province: Province) -> None:
    shown = province.mine.get("/centres/T01").json()

    assert shown["prices"] == {"card:T4": "3.50", "cpu_core": "0.06", "memory_gib": "0.01"}
    assert len(shown["prices"]) == len(PRICES)
    assert "prices" not in [
        key
        for item in province.mine.get("/centres").json()["items"]
        for key, value in item.items()
        if value is not None
    ]


def test_a_program_can_follow_every_fen(province: Province) -> None:
    job = province.run(seconds=1800)

    money = province.mine.get(f"/jobs/{job}").json()["money"]
    charges = walk(province.mine, f"/jobs/{job}/charges", limit=1)
    captures = [t for c in charges for t in c["transfers"]]
    assert Money.total(Money.yuan(t["amount"]) for t in captures) == Money.yuan(money["charged"])
    for transfer in captures:
        steps = province.mine.get(f"/trace/{transfer['ref']}").json()["steps"]
        assert [step["number"] for step in steps] == [1, 2, 3, 4, 5, 6, 7]

    lines = province.mine.get("/account/statement").json()["items"]
    assert lines[0]["balance"] == province.mine.get("/account").json()["cash"]
    moved = Money.total(Money.yuan(line["amount"]) for line in lines)
    assert moved == Money.yuan(lines[0]["balance"]), "the account began with nothing"

    (voucher,) = province.mine.get("/vouchers").json()["items"]
    alone = province.mine.get(f"/vouchers/{voucher['id']}").json()
    spent = province.mine.get(f"/vouchers/{voucher['id']}/statement").json()["items"]
    assert alone == voucher
    assert spent[0]["balance"] == voucher["left"]
    assert Money.yuan(voucher["face"]) - Money.yuan(voucher["left"]) == Money.yuan(
        money["from_vouchers"]
    )


def test_attempts_come_in_pages_and_with_the_job(province: Province) -> None:
    job = province.order()
    lease = province.lease()
    never = report(
        lease, 1, AttemptState.ENDED, at=province.clock.now, exit_code=None, cause="never_started"
    )
    province.agent.sync(never)
    province.lease()

    attempts = walk(province.mine, f"/jobs/{job}/attempts", limit=1)

    assert [a["number"] for a in attempts] == [1, 2]
    assert attempts == province.mine.get(f"/jobs/{job}").json()["attempts"]


def test_a_log_is_bytes_from_an_offset_on(province: Province) -> None:
    job = province.order()
    assert province.mine.get(f"/jobs/{job}/log").content == b""
    lease = province.lease()
    text = b"\xff\x00<b>\x1b[31m" + "好".encode() * 10
    for start in range(0, len(text), 7):
        chunk = LogChunk(attempt=lease["attempt"], offset=start, data=text[start : start + 7])
        province.agent.sync(logs=(chunk,))
    assert LogPart.objects.count() > 3

    for offset in (0, 1, 6, 7, 8, len(text) - 1, len(text), len(text) + 99):
        answer = province.mine.get(f"/jobs/{job}/log?offset={offset}")
        assert answer.content == text[offset:]
        assert int(answer["Next-Offset"]) == max(offset, len(text))
        assert answer["Content-Type"] == "application/octet-stream"
        assert answer["X-Content-Type-Options"] == "nosniff"
    assert dispatch.settle(now=province.clock.now) == 0
