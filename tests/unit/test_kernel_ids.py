"""Identifiers and actors, case by case."""

from __future__ import annotations

from uuid import UUID

import pytest

from jinsuan.kernel import ids
from jinsuan.kernel.ids import new_id, read_id, show_id
from jinsuan.kernel.ref import Actor, Ref, Role

ZEROS = "0" * 26
ONE = UUID(int=1)


def test_the_text_form_is_the_prefix_and_26_characters() -> None:
    assert show_id("job", UUID(int=0)) == f"job_{ZEROS}"
    assert show_id("job", UUID(int=2**128 - 1)) == "job_7" + "z" * 25


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (f"voucher_{ZEROS}", "is not a job"),
        (f"job_{ZEROS[1:]}", "is not a job"),
        (f"job_{ZEROS}0", "is not a job"),
        (f"job{ZEROS}", "is not a job"),
        ("", "is not a job"),
        (f"job_{ZEROS[:-1]}u", "never have: 'u'"),
        (f"job_{ZEROS[:-1]}I", "never have: 'I'"),
        ("job_8" + ZEROS[1:], "too large"),
    ],
)
def test_a_wrong_identifier_says_what_is_wrong(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        read_id("job", text)


@pytest.mark.parametrize("prefix", ["", "Job", "data_product", "j0b", "作业"])
def test_a_prefix_is_a_small_word(prefix: str) -> None:
    with pytest.raises(AssertionError):
        show_id(prefix, ONE)


@pytest.mark.parametrize("text", [f"Job_{ZEROS}", f"_{ZEROS}", f"作业_{ZEROS}", ZEROS, "job_", ""])
def test_a_ref_needs_a_kind_and_an_id(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        Ref.read(text)


def test_order_survives_a_full_tail_and_a_clock_set_back(monkeypatch: pytest.MonkeyPatch) -> None:
    far = (1 << 47) + 5
    monkeypatch.setattr(ids, "_last_ms", far)
    monkeypatch.setattr(ids, "_last_tail", (1 << 74) - 1)

    first, second = new_id(), new_id()

    assert first.int >> 80 == far + 1
    assert first < second
    assert first.version == second.version == 7


@pytest.mark.parametrize("at_ms", [-1, 1 << 48])
def test_a_time_outside_48_bits_is_refused(at_ms: int) -> None:
    with pytest.raises(ValueError, match=r".+"):
        new_id(at_ms)


def test_only_the_platform_acts_without_a_person() -> None:
    assert Actor.system("worker").role is Role.SYSTEM
    for person, organisation, role in [
        (None, ONE, Role.TENANT),
        (ONE, ONE, Role.SYSTEM),
        (ONE, None, Role.TENANT),
    ]:
        with pytest.raises(AssertionError):
            Actor(person=person, organisation=organisation, role=role, via="api")


def test_an_actor_comes_by_some_way() -> None:
    with pytest.raises(AssertionError):
        Actor(person=ONE, organisation=ONE, role=Role.TENANT, via="")
