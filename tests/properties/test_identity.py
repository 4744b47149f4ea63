"""The check character of an identity number finds the slips that people make."""

from __future__ import annotations

from hypothesis import assume, given, strategies as st

from jinsuan.registry.personal import identity_check, luhn

BODY = st.text(alphabet="0123456789", min_size=17, max_size=17)


@given(BODY, st.integers(0, 16), st.sampled_from("0123456789"))
def test_every_single_digit_slip_is_found(body: str, place: int, digit: str) -> None:
    assume(body[place] != digit)
    slipped = body[:place] + digit + body[place + 1 :]

    assert identity_check(slipped) != identity_check(body)


@given(BODY, st.integers(0, 15))
def test_every_swap_of_neighbours_is_found(body: str, place: int) -> None:
    assume(body[place] != body[place + 1])
    swapped = body[:place] + body[place + 1] + body[place] + body[place + 2 :]

    assert identity_check(swapped) != identity_check(body)


@given(BODY, st.integers(0, 16), st.sampled_from("0123456789"))
def test_luhn_finds_every_single_digit_slip(body: str, place: int, digit: str) -> None:
    assume(body[place] != digit)
    card = next(body + str(d) for d in range(10) if luhn(body + str(d)))

    assert not luhn(card[:place] + digit + card[place + 1 :])
