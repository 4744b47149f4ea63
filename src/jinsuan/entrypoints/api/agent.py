"""`/agent/v1`: one address to enrol, one to sync. Signed envelopes; no session, no cookie."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from jinsuan.dispatch import actions as dispatch
from jinsuan.entrypoints import clock
from jinsuan.entrypoints.api.body import read_json
from jinsuan.entrypoints.api.problem import problem
from jinsuan.kernel.errors import DomainError
from jinsuan.protocol import envelope as names
from jinsuan.protocol.codec import decode, encode
from jinsuan.protocol.envelope import Envelope
from jinsuan.protocol.errors import MessageInvalid
from jinsuan.protocol.limits import check_sync
from jinsuan.protocol.messages import SyncRequest
from jinsuan.registry.actions.agents import accept_envelope, enrol
from jinsuan.registry.actions.capacity import apply_inventory


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolment:
    """What an agent sends to be registered."""

    code: str
    centre: str
    public_key: bytes
    agent_version: str


View = Callable[[HttpRequest], HttpResponse]


def refusing(view: View) -> View:
    """Answer a refusal as problem+json, like the rest of the API."""

    def wrapped(request: HttpRequest) -> HttpResponse:
        try:
            return view(request)
        except DomainError as error:
            return problem(request, error)

    return wrapped


@csrf_exempt
@require_POST
@refusing
def enrol_agent(request: HttpRequest) -> HttpResponse:
    """Exchange a one-time code for a registered public key."""
    asked = decode(Enrolment, read_json(request))
    enrol(
        code=asked.code,
        centre_code=asked.centre,
        public_key=asked.public_key,
        agent_version=asked.agent_version[:40],
        now=clock.now(),
    )
    return JsonResponse({"centre": asked.centre})


@csrf_exempt
@require_POST
@refusing
def sync_agent(request: HttpRequest) -> HttpResponse:
    """One round: check the envelope, take the reports, answer with work."""
    now = clock.now()
    envelope = _envelope(request)
    centre = accept_envelope(envelope, request.body, _signature(request), now=now)
    raw = read_json(request, limit=settings.DATA_UPLOAD_MAX_MEMORY_SIZE)
    message = check_sync(decode(SyncRequest, raw))
    code = envelope.centre  # accepted, so it is this centre's
    if message.offers is not None:
        apply_inventory(centre, message.offers, actor=dispatch.agent_actor(code), now=now)
    answer = dispatch.sync(centre, code, message, pace=settings.AGENT_PACE, now=now)
    return JsonResponse(encode(answer))


def _envelope(request: HttpRequest) -> Envelope:
    numbers = {}
    for name in (names.BOOT, names.SEQUENCE, names.TIME):
        text = request.headers.get(name, "")
        if not (text.isascii() and text.isdigit() and len(text) <= 18):
            raise MessageInvalid(name, "应为非负整数")
        numbers[name] = int(text)
    centre = request.headers.get(names.CENTRE, "")
    if not 0 < len(centre) <= 40 or not centre.isascii() or not centre.isprintable():
        raise MessageInvalid(names.CENTRE, "应为算力中心代码")
    return Envelope(
        method="POST",
        path=request.path,
        centre=centre,
        boot=numbers[names.BOOT],
        sequence=numbers[names.SEQUENCE],
        time=numbers[names.TIME],
    )


def _signature(request: HttpRequest) -> bytes:
    try:
        return base64.b64decode(request.headers.get(names.SIGNATURE, ""), validate=True)
    except (binascii.Error, ValueError):
        raise MessageInvalid(names.SIGNATURE, "应为 base64 文本") from None
