"""One address of the yardstick."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from django.http import HttpRequest
from django.urls import path
from ninja import NinjaAPI, Schema
from ninja.errors import HttpError
from ninja.security import HttpBearer

from benchmarks.bare import hashed
from benchmarks.bare_app.models import Thing, Token


class Auth(HttpBearer):
    def authenticate(self, request: HttpRequest, token: str) -> Token | None:  # noqa: ARG002
        return Token.objects.filter(sha256=hashed(token)).first()


class ThingOut(Schema):
    id: UUID
    name: str
    state: str
    amount: Decimal
    made_at: datetime


api = NinjaAPI(auth=Auth())


@api.get("/things/{thing_id}", response=ThingOut)
def get_thing(request: HttpRequest, thing_id: UUID) -> Thing:
    row = Thing.objects.filter(id=thing_id, owner=request.auth.owner).first()  # type: ignore[attr-defined]
    if row is None:
        raise HttpError(404, "not found")
    return row


urlpatterns = [path("api/", api.urls)]
