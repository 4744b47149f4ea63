"""Every message class survives the wire, and nothing else gets through the codec."""

from __future__ import annotations

import inspect
import json
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime, timedelta, timezone
from types import NoneType
from typing import Any, get_args, get_origin, get_type_hints

import pytest
from hypothesis import given, strategies as st

from jinsuan.protocol import messages
from jinsuan.protocol.codec import MAX_INT, decode, encode
from jinsuan.protocol.errors import MessageInvalid

CLASSES = [
    kind
    for _, kind in inspect.getmembers(messages, inspect.isclass)
    if kind.__module__ == messages.__name__
]
zones = st.integers(-14 * 60, 14 * 60).map(lambda m: timezone(timedelta(minutes=m)))
times = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=zones)  # noqa: DTZ001
PLAIN: dict[Any, st.SearchStrategy[Any]] = {
    int: st.integers(-MAX_INT, MAX_INT),
    str: st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=20),
    bool: st.booleans(),
    bytes: st.binary(max_size=20),
    datetime: times,
    NoneType: st.none(),
}


def made(kind: Any) -> st.SearchStrategy[Any]:
    """Messages of a class, from its type hints alone."""
    if kind in PLAIN:
        return PLAIN[kind]
    if is_dataclass(kind):
        hints = get_type_hints(kind)
        return st.builds(kind, **{f.name: made(hints[f.name]) for f in fields(kind)})
    if get_origin(kind) is tuple:
        return st.lists(made(get_args(kind)[0]), max_size=2).map(tuple)
    if args := get_args(kind):
        return st.one_of(*map(made, args))
    return st.sampled_from(kind)


@pytest.mark.parametrize("kind", CLASSES, ids=lambda k: k.__name__)
def test_every_message_reads_back_after_a_trip_through_json(kind: type[Any]) -> None:
    @given(made(kind))
    def there_and_back(message: Any) -> None:
        assert decode(kind, json.loads(json.dumps(encode(message)))) == message

    there_and_back()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)


@pytest.mark.parametrize("kind", CLASSES, ids=lambda k: k.__name__)
def test_a_message_with_one_spoilt_field_is_read_or_refused(kind: type[Any]) -> None:
    @given(made(kind), st.data())
    def spoil(message: Any, data: st.DataObject) -> None:
        plain = encode(message)
        key = data.draw(st.sampled_from(sorted(plain)) | st.text(max_size=8))
        plain[key] = data.draw(json_values)
        try:
            again = decode(kind, plain)
        except MessageInvalid as error:
            refused = error
        else:
            assert decode(kind, encode(again)) == again
            return
        assert refused.path.startswith("$")
        refused.explain().encode()

    spoil()


@given(json_values)
def test_any_json_is_a_sync_or_a_refusal(data: object) -> None:
    with pytest.raises(MessageInvalid):
        decode(messages.SyncRequest, data)


@given(times)
def test_times_travel_as_utc(instant: datetime) -> None:
    text = encode(instant)

    assert text.endswith("Z")
    assert decode(datetime, text) == instant
    assert decode(datetime, text).tzinfo is UTC
