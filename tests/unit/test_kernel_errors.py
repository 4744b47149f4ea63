"""The three refusals that every room shares."""

from __future__ import annotations

import pytest

from jinsuan.kernel.errors import BadInput, DomainError, NotAllowed, NotFound

SHARED = [
    (NotFound("作业", "job_x"), "not_found", 404, "作业"),
    (NotAllowed("审批", "省级经办"), "not_allowed", 403, "省级经办"),
    (BadInput("金额", "不是数", "写数字。"), "bad_input", 422, "金额"),
]


@pytest.mark.parametrize(("error", "code", "status", "word"), SHARED, ids=lambda v: str(v)[:20])
def test_a_shared_refusal_names_its_code_and_explains_itself(
    error: DomainError, code: str, status: int, word: str
) -> None:
    assert (error.code, error.http_status) == (code, status)
    assert word in error.explain()
    assert str(error) == f"{code}: {error.explain()}"


def test_missing_and_forbidden_are_told_in_the_same_words() -> None:
    assert "或者您不能查看" in NotFound("作业", "job_x").explain()


def test_a_refusal_can_be_raised_through_a_context_manager() -> None:
    with pytest.raises(NotFound):
        raise NotFound("作业", "job_x")


def test_a_refusal_without_words_is_a_bug() -> None:
    with pytest.raises(NotImplementedError):
        DomainError().explain()
