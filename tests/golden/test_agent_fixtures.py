"""The agent protocol, frozen: JSON written by hand, read and written back without a difference.

The signature in envelope.json was made with OpenSSL, not with our code. The page
docs/reference/agent-protocol.md shows these files and names every field of every message.
"""

from __future__ import annotations

import base64
import json
import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from jinsuan.agent import agent, logs
from jinsuan.agent.keys import public_bytes
from jinsuan.dispatch.actions.place import LEASE
from jinsuan.dispatch.actions.sync import MAX_LEASES_PER_SYNC, MAX_LOG_BYTES, QUIET
from jinsuan.dispatch.actions.watch import SILENT_AFTER
from jinsuan.entrypoints.api.errors import BodyUnreadable
from jinsuan.protocol import envelope as names, messages
from jinsuan.protocol.codec import decode, encode
from jinsuan.protocol.envelope import MAX_SKEW_SECONDS, Envelope
from jinsuan.protocol.errors import MessageInvalid
from jinsuan.protocol.states import AttemptState, EndCause
from jinsuan.registry import errors as registry

FOLDER = Path(__file__).parent / "agent"
FIXTURES = {path.stem: path.read_text("utf-8") for path in sorted(FOLDER.glob("*.json"))}
PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "agent-protocol.md").read_text("utf-8")
SHOWN = dict(
    re.findall(r"^样例 `(\w+)\.json`\n\n```json\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
)
MESSAGES: dict[str, type[Any]] = {
    "sync_idle": messages.SyncRequest,
    "sync_full": messages.SyncRequest,
    "answer_idle": messages.SyncResponse,
    "answer_full": messages.SyncResponse,
}
CLASSES = [
    value
    for value in vars(messages).values()
    # An Observation is what an engine tells its agent; it is never sent.
    if hasattr(value, "__dataclass_fields__") and value is not messages.Observation
]


@pytest.mark.parametrize("name", MESSAGES)
def test_a_message_is_read_and_written_back_without_a_difference(name: str) -> None:
    data = json.loads(FIXTURES[name])
    message = decode(MESSAGES[name], data)
    again = json.dumps(encode(message), ensure_ascii=False, indent=2) + "\n"
    assert again == FIXTURES[name]
    assert decode(MESSAGES[name], encode(message)) == message


@pytest.mark.parametrize("name", MESSAGES)
def test_a_field_that_nobody_agreed_on_is_refused(name: str) -> None:
    data = json.loads(FIXTURES[name])
    with pytest.raises(MessageInvalid, match="不认识的字段 'more'"):
        decode(MESSAGES[name], {**data, "more": 1})


def test_the_fixtures_show_every_field_of_every_message() -> None:
    shown: set[str] = set()

    def walk(value: Any) -> None:
        if isinstance(value, dict):
            shown.update(value)
            for item in value.values():
                walk(item)
        elif isinstance(value, list):
            for item in value:
                walk(item)

    for name in MESSAGES:
        walk(json.loads(FIXTURES[name]))
    known = {field.name for kind in CLASSES for field in fields(kind)}
    assert known - shown == {"image"}, "an image is shown nowhere: the embedded engine has none"


def _envelope(sample: dict[str, Any]) -> tuple[Envelope, bytes]:
    headers = sample["headers"]
    envelope = Envelope(
        method="POST",
        path="/agent/v1/sync",
        centre=headers[names.CENTRE],
        boot=int(headers[names.BOOT]),
        sequence=int(headers[names.SEQUENCE]),
        time=int(headers[names.TIME]),
    )
    return envelope, sample["body"].encode()


def test_the_envelope_is_signed_as_shown() -> None:
    sample = json.loads(FIXTURES["envelope"])
    key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(sample["test_key_hex"]))
    envelope, body = _envelope(sample)
    signed = envelope.signing_bytes(body)
    assert signed.decode().split("\n") == sample["signed_lines"]
    assert base64.b64encode(public_bytes(key)).decode() == sample["public_key"]
    signature = sample["headers"][names.SIGNATURE]
    assert base64.b64encode(key.sign(signed)).decode() == signature
    assert json.loads(sample["body"]) == json.loads(FIXTURES["sync_idle"])


@pytest.mark.parametrize(
    "change",
    [{"path": "/agent/v1/other"}, {"centre": "C02"}, {"boot": 8}, {"sequence": 43}, {"time": 1}],
    ids=str,
)
def test_a_changed_envelope_does_not_fit_its_signature(change: dict[str, Any]) -> None:
    sample = json.loads(FIXTURES["envelope"])
    key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(sample["test_key_hex"]))
    envelope, body = _envelope(sample)
    signature = base64.b64decode(sample["headers"][names.SIGNATURE])
    values = {f.name: getattr(envelope, f.name) for f in fields(Envelope)}
    key.public_key().verify(signature, envelope.signing_bytes(body))
    with pytest.raises(InvalidSignature):
        key.public_key().verify(signature, Envelope(**values | change).signing_bytes(body))
    with pytest.raises(InvalidSignature):
        key.public_key().verify(signature, envelope.signing_bytes(body + b" "))


# ── the page ──────────────────────────────────────────────────────────────────────────────────


def test_the_page_shows_exactly_the_fixtures() -> None:
    assert SHOWN == FIXTURES
    assert PAGE.count("```json") == len(FIXTURES)


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: str(kind.__name__))
def test_every_field_of_a_message_is_on_the_page_in_order(kind: type[Any]) -> None:
    heading = re.search(rf"^###? (?:.*：)?{kind.__name__}$", PAGE, re.MULTILINE)
    assert heading, f"no heading for {kind.__name__}"
    section = re.split(r"^###? ", PAGE[heading.end() :], maxsplit=1, flags=re.MULTILINE)[0]
    assert re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE) == [f.name for f in fields(kind)]


@pytest.mark.parametrize("word", [*AttemptState, *EndCause])
def test_every_state_and_cause_is_on_the_page(word: str) -> None:
    assert re.search(rf"^\| `{word}` \|", PAGE, re.MULTILINE)


@pytest.mark.parametrize(
    "error",
    [
        registry.EnrolmentRefused,
        registry.SignatureInvalid,
        registry.ClockSkewed,
        registry.MessageReplayed,
        MessageInvalid,
        BodyUnreadable,
    ],
)
def test_every_refusal_is_on_the_page_with_its_status(error: type[Any]) -> None:
    assert f"| `{error.code}` | {error.http_status} |" in PAGE


@pytest.mark.parametrize(
    "words",
    [
        f"协议版本，现为 `{messages.PROTOCOL_VERSION}`",
        f"每次至多 {agent.MAX_REPORTS} 份",
        f"合计至多 {logs.MAX_BYTES // 1024} KiB，每段至多 {logs.MAX_CHUNK // 1024} KiB",
        f"至多 {agent.OFFERS_AGAIN_SECONDS} 秒写一次",
        f"相差不超过 {MAX_SKEW_SECONDS} 秒",
        f"至多保存 {MAX_LOG_BYTES // 2**20} MiB",
        f"租约、停止、询问合计至多 {MAX_LEASES_PER_SYNC} 份",
        f"沉默超过 {int(SILENT_AFTER.total_seconds())} 秒",
        f"有 {int(QUIET.total_seconds()) // 60} 分钟没有提到它",
        f"租约 {int(LEASE.total_seconds())} 秒",
    ],
)
def test_numbers_on_the_page_are_those_in_the_code(words: str) -> None:
    assert words in PAGE
