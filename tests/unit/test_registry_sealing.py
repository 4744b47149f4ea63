"""Sealed values: they open with the right key at the right place, and nowhere else."""

from __future__ import annotations

import base64
from uuid import UUID

import pytest

from jinsuan.registry.errors import (
    DataKeyInvalid,
    DataKeyMissing,
    DataKeyUnknown,
    PersonalDataDamaged,
)
from jinsuan.registry.sealing import Keyring, Place, new_key, read_keyring

HERE = Place(field="person.phone", row=UUID(int=1))
OLD, NEW = new_key(), new_key()


def test_a_value_comes_back_and_its_seal_tells_nothing() -> None:
    ring = read_keyring(OLD)
    sealed = ring.seal("13800138000", HERE)

    assert ring.open(sealed, HERE) == "13800138000"
    assert b"138" not in sealed
    assert ring.seal("13800138000", HERE) != sealed, "the same number twice must not look the same"


@pytest.mark.parametrize(
    "elsewhere",
    [Place(field="person.identity", row=UUID(int=1)), Place(field="person.phone", row=UUID(int=2))],
)
def test_a_seal_moved_to_another_field_or_row_does_not_open(elsewhere: Place) -> None:
    ring = read_keyring(OLD)
    with pytest.raises(PersonalDataDamaged):
        ring.open(ring.seal("13800138000", HERE), elsewhere)


def test_every_changed_byte_after_the_key_name_is_noticed() -> None:
    ring = read_keyring(OLD)
    sealed = ring.seal("13800138000", HERE)
    start = 2 + sealed[1]
    for place in range(start, len(sealed)):
        changed = bytearray(sealed)
        changed[place] ^= 1
        with pytest.raises(PersonalDataDamaged):
            ring.open(bytes(changed), HERE)


@pytest.mark.parametrize("sealed", [b"", b"\x01", b"\x02\x01k" + bytes(40), b"\x01\x05abc"])
def test_what_was_never_a_seal_is_damaged(sealed: bytes) -> None:
    with pytest.raises(PersonalDataDamaged):
        read_keyring(OLD).open(sealed, HERE)


def test_the_first_key_seals_and_all_open() -> None:
    before, both, after = read_keyring(OLD), read_keyring(f"{NEW},{OLD}"), read_keyring(NEW)
    sealed = before.seal("secret", HERE)

    assert both.open(sealed, HERE) == "secret"
    assert both.stale(sealed, HERE)
    assert not both.stale(both.seal("secret", HERE), HERE)
    assert after.open(both.seal("secret", HERE), HERE) == "secret"
    with pytest.raises(DataKeyUnknown) as refused:
        after.open(sealed, HERE)
    assert refused.value.key == OLD.partition(":")[0]


def test_equal_numbers_have_equal_hashes_under_one_key_and_one_use_only() -> None:
    ring, other = read_keyring(OLD), read_keyring(NEW)

    assert ring.index("138", "phone") == ring.index("138", "phone")
    assert ring.index("138", "phone") != ring.index("138", "identity")
    assert ring.index("138", "phone") != other.index("138", "phone")
    assert ring.index("138", "phone") in read_keyring(f"{NEW},{OLD}").indices("138", "phone")


def test_no_key_is_a_refusal_that_names_the_command() -> None:
    with pytest.raises(DataKeyMissing) as refused:
        Keyring().seal("138", HERE)
    assert "jinsuan key new" in refused.value.explain()
    with pytest.raises(DataKeyMissing):
        read_keyring(" , ").indices("138", "phone")


SHORT = base64.b64encode(bytes(16)).decode()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (OLD.partition(":")[2], "编号"),
        ("K1:" + OLD.partition(":")[2], "编号"),
        ("k1:not base64", "base64"),
        (f"k1:{SHORT}", "32 字节"),
        (f"{OLD},{OLD}", "重复"),
    ],
    ids=("no name", "wrong name", "not base64", "too short", "twice"),  # keys are random
)
def test_a_wrong_key_is_explained_and_never_repeated(text: str, why: str) -> None:
    with pytest.raises(DataKeyInvalid) as refused:
        read_keyring(text)
    assert why in refused.value.explain()
    assert OLD.partition(":")[2] not in str(refused.value)


def test_a_key_does_not_show_its_secret() -> None:
    ring = read_keyring(OLD)
    assert OLD.partition(":")[2] not in repr(ring)
    assert repr(ring.first.secret) not in repr(ring)
