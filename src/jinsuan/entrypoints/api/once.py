"""`Idempotency-Key`: a request that changes something is carried out once, however often it is sent.

The answer is kept in the transaction of the deed. Of two equal requests at the same moment one is
rolled back and repeats the other's answer. A refusal is not kept: nothing was done, so the same
key may try again when the cause is gone.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse
from ninja import Schema
from ninja.responses import NinjaJSONEncoder

from jinsuan.entrypoints.api.errors import KeyMissing, KeyReused
from jinsuan.entrypoints.api.models import KeptAnswer
from jinsuan.kernel.errors import DomainError
from jinsuan.kernel.ref import Actor

HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"
MAX_KEY = 120
KEEP = timedelta(days=30)


def key_of(request: HttpRequest) -> str:
    """The request's key.

    Raises:
        KeyMissing: there is none, or it is no 1 to 120 visible ASCII characters.
    """
    key = request.headers.get(HEADER, "")
    if not 0 < len(key) <= MAX_KEY or not all(" " <= c <= "~" for c in key) or not key.strip():
        raise KeyMissing
    return key


def once(
    request: HttpRequest,
    body: object,
    act: Callable[[], dict[str, Any]],
    *,
    shape: type[Schema],
    status: int,
    actor: Actor,
    now: datetime,
) -> HttpResponse:
    """Do `act` and keep its answer, or repeat the answer that was kept.

    Args:
        body: the request's body as it was read; its order of keys and blanks do not matter.
        act: does it and returns the answer in the given shape.

    Raises:
        KeyMissing: no key.
        KeyReused: the key stands for another request of this organisation.
    """
    key = key_of(request)
    assert actor.organisation is not None
    digest = _digest(request, body, actor)
    if kept := _kept(actor.organisation, key, digest):
        return kept
    try:
        with transaction.atomic():
            answer = shape.model_validate(act()).model_dump()
            text = json.dumps(answer, cls=NinjaJSONEncoder, ensure_ascii=False)
            KeptAnswer.objects.create(
                organisation_id=actor.organisation,
                key=key,
                request_sha256=digest,
                status=status,
                body=text,
                recorded_at=now,
            )
    except (IntegrityError, DomainError):
        # Perhaps the same request was carried out meanwhile; then its answer is ours.
        if kept := _kept(actor.organisation, key, digest):
            return kept
        raise
    return HttpResponse(text, status=status, content_type="application/json; charset=utf-8")


def _digest(request: HttpRequest, body: object, actor: Actor) -> bytes:
    plain = json.dumps(body, sort_keys=True, separators=(",", ":"))
    parts = (request.method or "", request.path, str(actor.role), plain)
    return hashlib.sha256("\n".join(parts).encode()).digest()


def _kept(organisation: UUID, key: str, digest: bytes) -> HttpResponse | None:
    row = KeptAnswer.objects.filter(organisation=organisation, key=key).first()
    if row is None:
        return None
    if bytes(row.request_sha256) != digest:
        raise KeyReused(key)
    response = HttpResponse(
        row.body, status=row.status, content_type="application/json; charset=utf-8"
    )
    response[REPLAYED] = "true"
    return response


@transaction.atomic
def forget(*, now: datetime) -> int:
    """Drop answers that are older than we promise to keep them; returns how many."""
    gone, _ = KeptAnswer.objects.filter(recorded_at__lt=now - KEEP).delete()
    return gone
