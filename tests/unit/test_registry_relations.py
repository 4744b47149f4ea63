"""One spelling per thing, and digests that say nothing of it."""

from __future__ import annotations

import pytest

from jinsuan.kernel.errors import BadInput
from jinsuan.registry.relations import code_key, keys_of, plain_value
from jinsuan.registry.sealing import DataKey, Keyring
from tests.flows.world import uscc

OLD, NEW = DataKey("old", bytes(32)), DataKey("new", bytes([1]) * 32)
RING = Keyring((NEW, OLD))


@pytest.mark.parametrize(
    ("kind", "first", "second"),
    [
        ("phone", "+86 138-0013-8000", "13800138000"),
        ("phone", "0351-4123456", "03514123456"),
        ("bank_account", "0502 1234 0930 0012", "0502123409300012"),
        ("address", "太原市 小店区（一号）", "太原市小店区(一号)"),
        ("device", "aa:bb", "AA:BB"),
    ],
)
def test_spellings_of_one_thing(kind: str, first: str, second: str) -> None:
    assert plain_value(kind, first) == plain_value(kind, second)
    assert keys_of(kind, first, RING) == keys_of(kind, second, RING)


def test_a_bad_number_is_never_repeated() -> None:
    with pytest.raises(BadInput) as refused:
        keys_of("phone", "12345", RING)

    assert "12345" not in str(refused.value)


def test_nothing_is_no_value() -> None:
    with pytest.raises(BadInput):
        plain_value("address", " -- ")


def test_a_credit_code_needs_no_key_and_a_person_does() -> None:
    code = uscc(7)

    assert keys_of("shareholder", code.lower(), Keyring()) == [code_key(code)]
    assert keys_of("shareholder", "张三", RING) == keys_of("legal_person", "张三", RING)
    assert keys_of("phone", "13800138000", RING) != keys_of("device", "13800138000", RING)


def test_the_first_key_writes_and_the_older_is_known() -> None:
    first, *rest = keys_of("device", "x", RING)

    assert first == NEW_ALONE[0]
    assert keys_of("device", "x", Keyring((OLD,)))[0] in rest


NEW_ALONE = keys_of("device", "x", Keyring((NEW,)))
