"""一分钱溯源: from one transfer back to its basis, and the bundle that proves it elsewhere."""

from __future__ import annotations

import json

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from jinsuan.dispatch.queries import access_job
from jinsuan.entrypoints import clock, seal_keys
from jinsuan.entrypoints.portal.acting import actor_of, signed_in
from jinsuan.entrypoints.portal.show import pieces
from jinsuan.entrypoints.portal.views.policy import article_address
from jinsuan.kernel.errors import NotFound
from jinsuan.kernel.ref import Ref, Role
from jinsuan.ledger import accounts, queries as ledger
from jinsuan.metering.queries import charge_view
from jinsuan.trace.bundle import MAKES, make_bundle
from jinsuan.trace.queries import path
from jinsuan.trace.step import Step


@require_safe
@signed_in()
def trace(request: HttpRequest, transfer_id: str) -> HttpResponse:
    """转账 back to 用量, 价目, 券, 人 and 条款."""
    actor = actor_of(request)
    try:
        ref = Ref.read(transfer_id)
    except ValueError:
        raise NotFound("转账", transfer_id[:60]) from None
    found = path(actor, ref, now=clock.now())
    moved = ledger.transfer(found.ref)
    charged = moved.cause.kind == "charge"
    job = access_job(actor, charge_view(moved.cause).job) if charged else None
    above = (
        [("作业", reverse("portal:jobs")), (job.name, reverse("portal:job", args=[job.ref]))]
        if job
        else []
    )
    page = {
        "steps": [(step, _facts(step)) for step in found.steps],
        "moved": moved,
        "payer": _account(moved.debit),
        "receiver": _account(moved.credit),
        "job": job,
        "takes_bundle": actor.role in MAKES,
        "crumbs": [*above, (f"转账 {pieces(str(found.ref))}", "")],
    }
    return render(request, "portal/trace.html", page)


@require_safe
@signed_in(Role.AUDITOR, Role.PROVINCIAL_OFFICER)
def bundle(request: HttpRequest, transfer_id: str) -> HttpResponse:
    """溯源包: a file that `jinsuan trace verify` checks without us; auditors and the province."""
    actor, signer = actor_of(request), seal_keys.signer()
    try:
        ref = Ref.read(transfer_id)
    except ValueError:
        raise NotFound("转账", transfer_id[:60]) from None
    keys = {} if signer is None else {signer.key_id: signer.public_pem.decode()}
    made = make_bundle(actor, ref, keys=keys, now=clock.now())
    answer = HttpResponse(json.dumps(made, ensure_ascii=False), content_type="application/json")
    answer["Content-Disposition"] = f'attachment; filename="{ref}.json"'
    answer["Cache-Control"] = "no-store"
    return answer


ACTS = {
    "job.submit": "下单",
    "job.place": "匹配并冻结",
    "job.cancel": "要求停止",
    "job.settle": "结清",
    "attempt.end": "尝试结束",
}
"""What the audit book's acts are called on this page."""


def _facts(step: Step) -> list[tuple[str, str, str]]:
    """A step's facts as label, words, and where the words lead: the article leads to its document."""
    plain = dict(step.facts)
    basis = article_address(plain.get("文件", ""), plain.get("条款", ""))
    return [(*_words(*fact), basis if fact[0] == "条款" else "") for fact in step.facts]


def _words(label: str, words: str) -> tuple[str, str]:
    """Say resources and accounts in the pages' words; the code stays beside them."""
    if label in ("从", "到"):
        return label, f"{_account(words)}　{words}"
    if label == "留痕":
        for act, spoken in ACTS.items():
            words = words.replace(act, spoken)
    return label, words


def _account(code: str) -> str:
    """作业冻结（券）: what an account is."""
    parts = accounts.parse(code)
    sub = {"": "", accounts.CASH: "（现金）"}.get(parts.sub, "（券）")
    return f"{parts.kind.label}{sub}"
