"""The codec is strict: each wrong form is refused at its place."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from jinsuan.protocol.codec import MAX_INT, decode, encode
from jinsuan.protocol.errors import MessageInvalid
from jinsuan.protocol.messages import Ack, AttemptReport, LogChunk, SyncRequest, UsageReading
from jinsuan.protocol.states import AttemptState

READING = {
    "resource": "card:T4",
    "milli_unit_seconds": 5,
    "occurred_at": "2025-03-01T00:00:00Z",
}
REPORT: dict[str, Any] = {
    "attempt": "attempt_x",
    "fencing": 1,
    "revision": 1,
    "state": "running",
    "usage": [READING],
}


def refused(kind: type[Any], data: Any) -> MessageInvalid:
    with pytest.raises(MessageInvalid) as caught:
        decode(kind, data)
    return caught.value


def test_a_report_is_read_field_by_field() -> None:
    report = decode(AttemptReport, REPORT)

    assert report.state is AttemptState.RUNNING
    assert report.usage == (
        UsageReading(
            resource="card:T4",
            milli_unit_seconds=5,
            occurred_at=datetime(2025, 3, 1, tzinfo=UTC),
        ),
    )
    assert report.exit_code is None


@pytest.mark.parametrize(
    ("change", "path", "says"),
    [
        ({"extra": 1}, "$", "不认识的字段"),
        ({"attempt": None}, "$.attempt", "应为文本"),
        ({"attempt": 3}, "$.attempt", "应为文本"),
        ({"attempt": "a\x00"}, "$.attempt", "空字符"),
        ({"attempt": "a\ud800"}, "$.attempt", "代理"),
        ({"attempt": "x" * 1_000_001}, "$.attempt", "应为文本"),
        ({"fencing": 1.0}, "$.fencing", "64 位整数"),
        ({"fencing": True}, "$.fencing", "64 位整数"),
        ({"fencing": "1"}, "$.fencing", "64 位整数"),
        ({"fencing": MAX_INT + 1}, "$.fencing", "64 位整数"),
        ({"fencing": -MAX_INT - 1}, "$.fencing", "64 位整数"),
        ({"fencing": 10**5000}, "$.fencing", "64 位整数"),
        ({"state": "flying"}, "$.state", "leased | submitting"),
        ({"state": ["running"]}, "$.state", "leased | submitting"),
        ({"usage": {}}, "$.usage", "应为数组"),
        ({"usage": None}, "$.usage", "应为数组"),
        ({"usage": [READING, 5]}, "$.usage[1]", "应为对象"),
        ({"usage": [{**READING, "resource": 5}]}, "$.usage[0].resource", "应为文本"),
        ({"started_at": "yesterday"}, "$.started_at", "RFC 3339"),
        ({"started_at": 1740787200}, "$.started_at", "应为文本"),
        ({"started_at": "2025-03-01T00:00:00"}, "$.started_at", "时区"),
        ({"started_at": "2025-03-01"}, "$.started_at", "时区"),
        ({"started_at": "0001-01-01T00:00:00+23:59"}, "$.started_at", "9999"),
        ({"started_at": "9999-12-31T23:59:59-23:59"}, "$.started_at", "9999"),
    ],
    ids=lambda v: v if isinstance(v, str) else "",
)
def test_a_wrong_field_is_refused_at_its_place(
    change: dict[str, Any], path: str, says: str
) -> None:
    error = refused(AttemptReport, {**REPORT, **change})

    assert error.path == path
    assert says in error.problem
    assert "整份报文未被采用" in error.explain()


def test_a_missing_field_is_named() -> None:
    assert "缺少字段 attempt" in refused(AttemptReport, {}).problem


@pytest.mark.parametrize("data", [None, [], "x", 1, True])
def test_a_message_is_an_object(data: object) -> None:
    assert refused(Ack, data).problem == "应为对象"


@pytest.mark.parametrize("data", ["***", "QQ", "Q Q=", "算", "QQ==\n", 7, None])
def test_bytes_are_clean_base64(data: object) -> None:
    assert refused(LogChunk, {"attempt": "a", "offset": 0, "data": data}).path == "$.data"


def test_none_is_left_out_and_nothing_is_not_the_same_as_none() -> None:
    silent = SyncRequest(protocol=1, agent_version="1")
    empty = SyncRequest(protocol=1, agent_version="1", offers=())

    assert "offers" not in encode(silent)
    assert encode(empty)["offers"] == []
    assert decode(SyncRequest, encode(empty)) == empty != silent


def test_a_local_time_cannot_be_sent() -> None:
    with pytest.raises(AssertionError):
        encode(datetime(2025, 3, 1))  # noqa: DTZ001


def test_a_binary_fraction_cannot_be_sent() -> None:
    with pytest.raises(AssertionError):
        encode({"x": 1})
    with pytest.raises(AssertionError):
        encode([0.5])


def test_another_zone_arrives_as_utc() -> None:
    read = decode(datetime, "2025-03-01T08:00:00+08:00")

    assert read == datetime(2025, 3, 1, tzinfo=UTC)
    assert read.tzinfo is UTC
