"""How money, times and icons are written. Templates format nothing by themselves."""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import Any

from django import template
from django.forms import BoundField
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from jinsuan.entrypoints.portal import show
from jinsuan.kernel.money import Money

register = template.Library()

UNKNOWN = "—"


def _figure(amount: Money, *, sign: str = "") -> SafeString:
    """`−11,289<i>.60</i>`: fen smaller and lighter, a real minus."""
    yuan, fen = divmod(abs(amount.fen), 100)
    lead = "−" if amount.fen < 0 else sign
    return format_html("{}{}<i>.{}</i>", lead, f"{yuan:,}", f"{fen:02d}")


@register.filter
def yuan(amount: Money | None, size: str = "") -> SafeString:
    """An amount with its unit; `yuan:"big"` for the figure of a page."""
    if amount is None:
        return format_html('<span class="yuan">{}</span>', UNKNOWN)
    assert isinstance(amount, Money), amount
    return format_html(
        '<span class="yuan{}">{}<span class="u">元</span></span>',
        f" {size}" if size else "",
        _figure(amount),
    )


@register.filter
def cell(amount: Money | None, signed: str = "") -> SafeString:
    """An amount in a table whose head says 元; `cell:"signed"` writes a plus too."""
    if amount is None:
        return format_html("{}", UNKNOWN)
    assert isinstance(amount, Money), amount
    sign = "+" if signed and amount.fen > 0 else ""
    return format_html('<span class="yuan">{}</span>', _figure(amount, sign=sign))


@register.filter
def day(when: date | datetime | None) -> str:
    """2026-09-16, Beijing time."""
    return UNKNOWN if when is None else show.day(when)


@register.filter
def moment(when: datetime | None) -> SafeString | str:
    """2026-09-16 14:04:12 as a `<time>`, Beijing time."""
    return UNKNOWN if when is None else _time(when, show.moment(when))


@register.filter
def short(when: datetime | None) -> SafeString | str:
    """9月16日 14:04 as a `<time>`, Beijing time."""
    return UNKNOWN if when is None else _time(when, show.short(when))


@register.filter
def clock(when: datetime | None) -> SafeString | str:
    """14:04:12 as a `<time>`, Beijing time."""
    return UNKNOWN if when is None else _time(when, show.clock(when))


def _time(when: datetime, text: str) -> SafeString:
    return format_html('<time datetime="{}">{}</time>', when.isoformat(timespec="seconds"), text)


@register.filter
def thousands(number: int | None) -> str:
    """27,380; — when it is not known."""
    if number is None:
        return UNKNOWN
    assert type(number) is int, number
    return f"{number:,}"


@register.simple_tag
def icon(name: str, extra: str = "") -> SafeString:
    """One of our own symbols (`parts/symbols.html`); always beside words, so hidden from readers."""
    return format_html(
        '<svg class="ico{}" aria-hidden="true" focusable="false"><use href="#i-{}"/></svg>',
        f" {extra}" if extra else "",
        name,
    )


@register.simple_tag
def control(field: BoundField, css: str = "form-control", **attributes: Any) -> SafeString:
    """A form control tied to its hint and its error."""
    described = [f"{field.id_for_label}-hint"] if field.help_text else []
    described += [f"{field.id_for_label}-error"] if field.errors else []
    attrs = {"class": css, **{k.replace("_", "-"): v for k, v in attributes.items()}}
    if described:
        attrs["aria-describedby"] = " ".join(described)
    if field.errors:
        attrs["aria-invalid"] = "true"
    return field.as_widget(attrs=attrs)


IDENTIFIER = re.compile(r"[a-z:_]*[a-z]+_[0-9a-hjkmnp-tv-z]{26}(?:[:.][0-9a-z_.:]+)?")


@register.filter
def identified(words: str) -> SafeString:
    """Words with their identifiers set apart, small and in one width."""
    parts, end = [], 0
    for found in IDENTIFIER.finditer(words):
        parts.append(format_html("{}", words[end : found.start()]))
        parts.append(format_html('<span class="ident">{}</span>', found[0]))
        end = found.end()
    return format_html("{}{}", format_html_join("", "{}", ((p,) for p in parts)), words[end:])


AUTH_LABELS = {
    "login": "用户名",
    "password": "密码",
    "code": "动态码或备用码",
    "oldpassword": "现在的密码",
    "password1": "新密码",
    "password2": "再输一次新密码",
}
"""What allauth's questions are called here, by field name."""


@register.simple_tag
def auth_label(field: BoundField) -> str:
    """The word for one of allauth's questions."""
    return AUTH_LABELS.get(field.name, str(field.label))


@register.simple_tag
def auth_control(field: BoundField) -> SafeString:
    """One of allauth's controls, without the placeholder that would stand in for a label."""
    field.field.widget.attrs.pop("placeholder", None)
    return control(field)
