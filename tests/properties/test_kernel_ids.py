"""Identifiers: there and back, in order of time, and never mistaken for one another."""

from __future__ import annotations

from itertools import pairwise
from uuid import UUID

import pytest
from hypothesis import given, strategies as st

from jinsuan.kernel.ids import new_id, read_id, show_id
from jinsuan.kernel.ref import Ref

numbers = st.integers(0, 2**128 - 1).map(lambda n: UUID(int=n))
kinds = st.text("abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=16)
moments = st.integers(0, 2**48 - 1)


@given(kinds, numbers)
def test_a_shown_id_reads_back(kind: str, value: UUID) -> None:
    text = show_id(kind, value)

    assert read_id(kind, text) == value
    assert Ref.read(text) == Ref(kind, value)
    assert str(Ref(kind, value)) == text
    assert len(text) == len(kind) + 27


@given(kinds, numbers, numbers)
def test_text_sorts_as_the_ids_do(kind: str, a: UUID, b: UUID) -> None:
    assert (show_id(kind, a) < show_id(kind, b)) == (a < b)


@given(kinds, kinds, numbers)
def test_another_kind_does_not_read_it(kind: str, other: str, value: UUID) -> None:
    if kind != other:
        with pytest.raises(ValueError, match="is not a"):
            read_id(other, show_id(kind, value))


@given(moments)
def test_a_new_id_carries_its_time_version_and_variant(at_ms: int) -> None:
    made = new_id(at_ms)

    assert made.int >> 80 == at_ms
    assert made.version == 7
    assert made.variant == "specified in RFC 4122"


@given(moments, moments)
def test_a_later_moment_makes_a_larger_id(first: int, second: int) -> None:
    if first != second:
        assert (new_id(first) < new_id(second)) == (first < second)


@given(st.text(max_size=40))
def test_any_text_is_an_id_or_a_value_error(text: str) -> None:
    try:
        ref = Ref.read(text)
    except ValueError:
        return
    assert str(ref) == text


def test_ids_made_in_a_row_are_in_order_and_all_different() -> None:
    made = [new_id() for _ in range(20_000)]

    assert all(a < b for a, b in pairwise(made))
