"""政策沙盘: what other numbers in a document would cost, over applicants that nobody is."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.validators import BaseValidator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from jinsuan.entrypoints import clock
from jinsuan.entrypoints.portal import whatif
from jinsuan.entrypoints.portal.acting import signed_in
from jinsuan.entrypoints.portal.views.policy import open_pack
from jinsuan.kernel.money import Money
from jinsuan.kernel.period import beijing_date
from jinsuan.kernel.ref import Role
from jinsuan.policy.compare import what_if
from jinsuan.policy.library import known, load_pack
from jinsuan.policy.made_up import made_up
from jinsuan.policy.pack import Pack

ROWS, SEED = 2_000, 1
FIRST = "shanxi-2024-35"


class PeopleForm(forms.Form):
    """How many made-up applicants, and which."""

    rows = forms.IntegerField(
        label="虚构主体（户）",
        min_value=1,
        max_value=whatif.MOST_ROWS,
        help_text=f"1 至 {whatif.MOST_ROWS:,}",
    )
    seed = forms.IntegerField(
        label="种子",
        min_value=0,
        max_value=whatif.MOST_SEED,
        help_text="同一个种子得到同一群主体",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, example in (("rows", ROWS), ("seed", SEED)):
            field = self.fields[name]
            field.widget = forms.TextInput(attrs={"inputmode": "numeric", "autocomplete": "off"})
            low, high = field.min_value, field.max_value  # type: ignore[attr-defined]
            words = f"写 {low} 至 {high:,} 的整数，例如 {example}"
            field.error_messages = dict.fromkeys(("required", "invalid"), words)
            for check in field.validators:
                if isinstance(check, BaseValidator):
                    check.message = words


@require_safe
@signed_in(Role.PROVINCIAL_OFFICER, Role.AUDITOR)
def sandbox(request: HttpRequest) -> HttpResponse:
    """Numbers left, what they would cost right. A GET: the address is the whole experiment."""
    packs = [load_pack(name) for name in known()]
    first = FIRST if FIRST in known() else packs[0].id
    pack = open_pack(request.GET.get("pack", first))
    on = min(max(beijing_date(clock.now()), pack.first_day), pack.last_day)
    people = PeopleForm({"rows": ROWS, "seed": SEED} | request.GET.dict())
    turned = whatif.turn(pack, on, request.GET.dict())
    problems = [
        (f"id_{name}", str(people.fields[name].label), words)
        for name, found in people.errors.items()
        for words in found
    ] + turned.problems
    page: dict[str, Any] = {
        "pack": pack,
        "packs": packs,
        "on": on,
        "people": people,
        "turned": turned,
        "problems": problems,
        "crumbs": [("政策专区", "/政策"), (pack.number, f"/政策/{pack.id}"), ("政策沙盘", "")],
    }
    if not problems:
        rows, seed = people.cleaned_data["rows"], people.cleaned_data["seed"]
        page |= _results(pack, turned, rows, seed)
    return render(request, "portal/sandbox.html", page)


def _results(pack: Pack, turned: whatif.Turned, rows: int, seed: int) -> dict[str, Any]:
    """Both laws over the same people."""
    assert turned.after is not None, "a law without problems is bound"
    found = what_if(turned.before, turned.after, made_up(pack, rows, seed))
    listed = whatif.rows(found)
    before, after = Money(found.before.granted_fen), Money(found.after.granted_fen)
    return {
        "found": found,
        "rows": listed,
        "bars": sorted(listed, key=lambda row: -max(row.before, row.after).fen),
        "before": before,
        "after": after,
        "change": after - before,
        "won": Money(found.won_fen),
        "lost": Money(-found.lost_fen),
        "pools": list(whatif.pools(found)),
        "top": [(c.applicant, Money(c.before_fen), Money(c.after_fen)) for c in found.top],
        "size": rows,
        "seed": seed,
    }
