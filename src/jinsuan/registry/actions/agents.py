"""Agents' keys and messages, and people's tokens: who may speak to the platform."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from django.db import connection, transaction

from jinsuan.kernel.errors import NotFound
from jinsuan.kernel.period import beijing_date
from jinsuan.kernel.ref import Actor, Ref, Role
from jinsuan.ledger.actions import Note, record
from jinsuan.ledger.statements import read
from jinsuan.protocol.envelope import MAX_SKEW_SECONDS, Envelope
from jinsuan.registry.errors import (
    ClockSkewed,
    EnrolmentRefused,
    MessageReplayed,
    ScopeUnknown,
    SignatureInvalid,
    TokenInvalid,
)
from jinsuan.registry.models import AgentChannel, AgentKey, ApiToken, EnrolmentCode
from jinsuan.registry.scopes import SCOPES

CODE_LIFE = timedelta(hours=24)
TOUCH_EVERY = timedelta(minutes=1)
# In SQL because every request asks; the ORM would take five times the processor time.
_LIVE_BEARER = """
    SELECT t.id, t.person_id, t.organisation_id, t.role, t.scopes, t.last_used_at
    FROM registry_apitoken t JOIN registry_person p ON p.id = t.person_id
    WHERE t.token_sha256 = %(sha256)s AND t.revoked_at IS NULL AND t.expires_at > %(now)s
      AND p.is_active
      AND EXISTS (
          SELECT FROM registry_membership m
          WHERE m.person_id = t.person_id AND m.organisation_id = t.organisation_id
            AND m.role = t.role AND m.effective_from <= %(day)s
            AND (m.effective_to IS NULL OR m.effective_to > %(day)s))
"""
_LIVE_KEY = """
    SELECT k.centre_id, k.public_key
    FROM registry_agentkey k JOIN registry_centre c ON c.id = k.centre_id
    WHERE c.code = %s AND k.revoked_at IS NULL
"""
_ADVANCE = """
    UPDATE registry_agentchannel AS c SET boot = d.boot, sequence = d.sequence, last_seen_at = d.at
    FROM (VALUES (%s::bigint, %s::bigint, %s::timestamptz)) AS d(boot, sequence, at)
    WHERE c.centre_id = %s AND (c.boot, c.sequence) < (d.boot, d.sequence)
"""
TOKEN_PREFIX = "js_"  # noqa: S105 - a prefix, so that scanners recognise a leaked token


def _hash(text: str) -> bytes:
    # 256 random bits need no slow hash: there is nothing to guess.
    return hashlib.sha256(text.encode()).digest()


@transaction.atomic
def issue_enrolment_code(centre: UUID, *, actor: Actor, now: datetime) -> str:
    """Make a one-time code with which a centre's agent registers its key. Shown once."""
    code = secrets.token_urlsafe(24)
    row = EnrolmentCode.objects.create(
        centre_id=centre, code_sha256=_hash(code), expires_at=now + CODE_LIFE
    )
    note = Note(
        action="agent.issue_code",
        subject=Ref("centre", centre),
        after={"code": str(row.id), "expires_at": row.expires_at.isoformat()},
    )
    record([note], actor=actor, now=now)
    return code


@transaction.atomic
def enrol(
    *, code: str, centre_code: str, public_key: bytes, agent_version: str, now: datetime
) -> Ref:
    """Register an agent's key with a one-time code; an older key of the centre is revoked.

    Raises:
        EnrolmentRefused: the code is wrong, used, expired or of another centre.
    """
    row = (
        EnrolmentCode.objects.select_for_update(no_key=True, of=("self",))
        .select_related("centre")
        .filter(code_sha256=_hash(code), used_at__isnull=True, expires_at__gt=now)
        .first()
    )
    if row is None or row.centre.code != centre_code or len(public_key) != 32:
        raise EnrolmentRefused
    row.used_at = now
    row.save(update_fields=["used_at"])
    AgentKey.objects.filter(centre=row.centre, revoked_at__isnull=True).update(revoked_at=now)
    key = AgentKey.objects.create(centre=row.centre, public_key=public_key, enrolled_at=now)
    # A new key begins a new count: its agent may have lost the old state folder.
    AgentChannel.objects.filter(centre=row.centre).update(
        boot=0, sequence=0, agent_version=agent_version
    )
    after = {"key": str(key.id), "agent_version": agent_version}
    note = Note(action="agent.enrol", subject=Ref("centre", row.centre_id), after=after)
    record([note], actor=Actor.system(f"agent:{centre_code}"), now=now)
    return Ref("centre", row.centre_id)


@transaction.atomic
def revoke_key(centre: UUID, *, reason: str, actor: Actor, now: datetime) -> None:
    """Stop believing a centre's agent (吊销密钥)."""
    AgentKey.objects.filter(centre=centre, revoked_at__isnull=True).update(revoked_at=now)
    note = Note(action="agent.revoke_key", subject=Ref("centre", centre), reason=reason)
    record([note], actor=actor, now=now)


def accept_envelope(envelope: Envelope, body: bytes, signature: bytes, *, now: datetime) -> UUID:
    """Check who speaks and that it was not said before; returns the centre.

    It writes one statement, so it needs no transaction of its own.

    Raises:
        SignatureInvalid: unknown centre, no live key, or the signature does not fit.
        ClockSkewed: sent more than five minutes before or after now.
        MessageReplayed: not after the last accepted message.
    """
    keys = read(_LIVE_KEY, [envelope.centre])
    if not keys:
        raise SignatureInvalid(envelope.centre)
    centre, public = keys[0]
    try:
        Ed25519PublicKey.from_public_bytes(bytes(public)).verify(
            signature, envelope.signing_bytes(body)
        )
    except InvalidSignature:
        raise SignatureInvalid(envelope.centre) from None
    skew = abs(int(now.timestamp()) - envelope.time)
    if skew > MAX_SKEW_SECONDS:
        raise ClockSkewed(skew, MAX_SKEW_SECONDS, now)
    # One statement looks and writes: of two copies at the same moment the second finds the first.
    with connection.cursor() as cursor:
        cursor.execute(_ADVANCE, [envelope.boot, envelope.sequence, now, centre])
        fresh = cursor.rowcount == 1
    if not fresh:
        channel = AgentChannel.objects.get(centre=centre)
        raise MessageReplayed(envelope.boot, envelope.sequence, channel.boot, channel.sequence)
    assert isinstance(centre, UUID)
    return centre


@transaction.atomic
def issue_token(
    *,
    person: UUID,
    organisation: UUID,
    role: Role,
    scopes: Sequence[str],
    label: str,
    expires_at: datetime,
    actor: Actor,
    now: datetime,
) -> str:
    """Make an API token for a person in a role. Shown once; only its hash is kept.

    Raises:
        ScopeUnknown: a scope that nothing asks for.
    """
    assert expires_at > now, (expires_at, now)
    for scope in scopes:
        if scope not in SCOPES:
            raise ScopeUnknown(scope, tuple(SCOPES))
    text = TOKEN_PREFIX + secrets.token_urlsafe(32)
    row = ApiToken.objects.create(
        person_id=person,
        organisation_id=organisation,
        role=role,
        scopes=sorted(set(scopes)),
        token_sha256=_hash(text),
        label=label[:60],
        issued_at=now,
        expires_at=expires_at,
    )
    after = {"scopes": row.scopes, "role": str(role), "expires_at": expires_at.isoformat()}
    note = Note(action="token.issue", subject=Ref("token", row.id), after=after)
    record([note], actor=actor, now=now)
    return text


@transaction.atomic
def revoke_token(token: UUID, *, reason: str, actor: Actor, now: datetime) -> None:
    """Make a token worthless from now on (作废令牌). Again is harmless.

    Raises:
        NotFound: there is no such token.
    """
    row = ApiToken.objects.select_for_update(no_key=True).filter(id=token).first()
    if row is None:
        raise NotFound("令牌", str(Ref("token", token)))
    if row.revoked_at is not None:
        return
    row.revoked_at = now
    row.save(update_fields=["revoked_at"])
    note = Note(action="token.revoke", subject=Ref("token", token), reason=reason)
    record([note], actor=actor, now=now)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bearer:
    """Whom a token stands for and what it may be used for."""

    token: Ref
    actor: Actor
    scopes: frozenset[str]


def authenticate_token(text: str, *, now: datetime) -> Bearer:
    """The actor and scopes behind a token.

    Raises:
        TokenInvalid: unknown, revoked or expired, or the person may no longer act in its role.
    """
    rows = read(_LIVE_BEARER, {"sha256": _hash(text), "now": now, "day": beijing_date(now)})
    if not rows:
        raise TokenInvalid
    pk, person, organisation, role, scopes, last_used_at = rows[0]
    if last_used_at is None or now - last_used_at > TOUCH_EVERY:
        ApiToken.objects.filter(id=pk).update(last_used_at=now)
    actor = Actor(person=person, organisation=organisation, role=Role(role), via="api")
    return Bearer(token=Ref("token", pk), actor=actor, scopes=frozenset(scopes))
