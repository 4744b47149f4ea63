"""Canonical JSON, the request hash and the id of a transfer: fixed for ever, so fixed by example."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from hashlib import sha256
from uuid import UUID

import pytest

from jinsuan.kernel.ref import Ref
from jinsuan.ledger.digest import canonical, digest, transfer_content, transfer_id
from jinsuan.ledger.reasons import Reason

CAUSE = Ref("charge", UUID(int=7))


def content(**changes: object) -> str:
    fields: dict[str, object] = {
        "key": "capture:job_1:1.17:cash",
        "debit": "hold:job_1:cash",
        "credit": "payable:o:cash",
        "fen": 100,
        "reason": Reason.CAPTURE,
        "cause": CAUSE,
    }
    return transfer_content(**(fields | changes))  # type: ignore[arg-type]


def test_the_canonical_text_is_this_one() -> None:
    """Written by hand: another implementation must be able to hash the same bytes."""
    assert content() == (
        '{"cause":"charge_00000000000000000000000007","credit":"payable:o:cash",'
        '"debit":"hold:job_1:cash","fen":100,"key":"capture:job_1:1.17:cash","reason":"capture"}'
    )
    assert digest(content()) == sha256(content().encode("utf-8")).digest()


@pytest.mark.parametrize(
    "change",
    [
        {"key": "capture:job_1:1.18:cash"},
        {"debit": "hold:job_2:cash"},
        {"credit": "payable:p:cash"},
        {"fen": 101},
        {"reason": Reason.RELEASE},
        {"cause": Ref("charge", UUID(int=8))},
    ],
    ids=lambda change: next(iter(change)),
)
def test_every_field_of_the_claim_changes_the_digest(change: dict[str, object]) -> None:
    assert digest(content(**change)) != digest(content())


def test_order_and_spelling_of_a_mapping_do_not_matter() -> None:
    assert canonical({"b": (1, 2), "a": {"y": True, "x": None}}) == canonical(
        {"a": {"x": None, "y": True}, "b": [1, 2]}
    )
    assert canonical({"名": "晋\n"}) == '{"名":"晋\\n"}'


@pytest.mark.parametrize(
    "value",
    [Decimal("0.1"), 1 / 2, datetime(2025, 1, 1, tzinfo=UTC), UUID(int=1), {1, 2}, b"x", object()],
    ids=lambda value: type(value).__name__,
)
def test_what_has_two_spellings_has_no_canonical_form(value: object) -> None:
    with pytest.raises(AssertionError, match="canonical"):
        canonical({"nested": [value]})
    with pytest.raises(AssertionError):
        canonical({1: "x"})  # type: ignore[dict-item]


def test_an_id_follows_from_the_key_as_a_version_8_uuid() -> None:
    """By hand: `printf 'transfer:capture:1' | sha256sum`, then version and variant set."""
    one = transfer_id("capture:1")
    assert one == UUID("e93740c2-5cd1-803d-b139-e038da256dce")
    assert (one.version, one.variant) == (8, "specified in RFC 4122")
    assert transfer_id("capture:2") != one
