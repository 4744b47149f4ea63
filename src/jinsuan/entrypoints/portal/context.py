"""What every page shows around its content: menu, preferences, who acts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse

from jinsuan.entrypoints.portal.acting import acting_of
from jinsuan.entrypoints.portal.preferences import Preferences, preferences_of
from jinsuan.kernel.ref import Role
from jinsuan.ledger.delivery import unread_count

SHEETS = tuple(
    f"portal/{name}.css"
    for name in ("tokens", "controls", "shell", "parts", "pages", "law", "narrow")
)

# Word and view, left to right. Only what exists.
PUBLIC = (
    ("总览", "home"),
    ("政策专区", "policies"),
    ("算力资源", "resources"),
    ("公示公告", "notices"),
    ("数据口径", "definitions"),
)
WATCHING = (
    ("总览", "home"),
    ("作业", "jobs"),
    ("中心与代理", "desk"),
    ("算力资源", "resources"),
    ("政策专区", "policies"),
)
CASES = (("总览", "home"), ("办理", "cases"))
PAYING = (*CASES, ("拨付", "payments"))
MENUS: dict[Role, tuple[tuple[str, str], ...]] = {
    Role.TENANT: (
        ("总览", "home"),
        ("算力资源", "resources"),
        ("下单用算", "order"),
        ("作业", "jobs"),
        ("账户与算力券", "wallet"),
        ("算力券申领", "apply"),
        ("算力券兑付", "redemptions"),
        ("收款与退款", "cash_orders"),
        ("政策专区", "policies"),
    ),
    Role.CENTRE_OPERATOR: (
        ("总览", "home"),
        ("我的中心", "desk"),
        ("作业", "jobs"),
        ("算力券兑付", "redemptions"),
        ("收款与结算", "cash_orders"),
        ("对账单", "statement"),
        ("算力资源", "resources"),
        ("政策专区", "policies"),
    ),
    Role.RECOMMENDER: (*CASES, *PUBLIC[1:]),
    Role.PROVINCIAL_OFFICER: (
        *PAYING,
        *WATCHING[1:],
        ("政策沙盘", "sandbox"),
        ("对账单", "statement"),
        ("长任务", "works"),
        ("审计", "audit"),
    ),
    Role.AUDITOR: (
        ("总览", "home"),
        ("审计", "audit"),
        *PAYING[1:],
        *WATCHING[1:],
        ("政策沙盘", "sandbox"),
        ("对账单", "statement"),
    ),
    Role.TREASURY: (*PAYING, *PUBLIC[1:], ("对账单", "statement")),
    Role.PLATFORM_OPERATOR: (*WATCHING, ("系统管理", "admin")),
}

UNDER = {
    "cases": ("/案件/",),
    "payments": ("/退款结算", "/收款账户", "/银行流水", "/追缴", "/差异"),
    "cash_orders": ("/收款账户", "/追缴"),
}
"""Addresses that belong under a word of the menu though they do not begin like it."""


@dataclass(frozen=True, slots=True)
class MenuItem:
    """One word of the main menu."""

    word: str
    href: str
    current: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Shell:
    """The surroundings of a page."""

    preferences: Preferences
    menu: tuple[MenuItem, ...]
    who: str
    signed_in: bool
    demo: bool
    here: str
    may_order: bool
    unread: int = 0
    sheets: tuple[str, ...] = SHEETS

    @property
    def theme(self) -> str:
        return self.preferences.theme

    @property
    def elder(self) -> bool:
        return self.preferences.elder


def shell(request: HttpRequest) -> dict[str, Any]:
    """The context processor."""
    acting = acting_of(request)
    signed_in = bool(getattr(request, "user", None)) and request.user.is_authenticated
    menu = PUBLIC if acting is None else MENUS.get(acting.role, PUBLIC)
    who = "我的身份" if acting is None else f"{acting.organisation_name} · {acting.role_name}"
    return {
        "shell": Shell(
            preferences=preferences_of(request),
            menu=tuple(_item(word, name, request) for word, name in menu),
            who=who,
            signed_in=signed_in,
            demo=settings.DEMO,
            # The public is shown the way, too: it leads through the log-in.
            may_order=acting is None or acting.role is Role.TENANT,
            unread=0 if acting is None else unread_count(acting.actor),
            here=request.get_full_path() if request.method == "GET" else request.path,
        )
    }


def _item(word: str, name: str, request: HttpRequest) -> MenuItem:
    href = reverse("admin:index") if name == "admin" else reverse(f"portal:{name}")
    # `reverse` writes Chinese as percent signs, a request's path does not.
    here, place = request.path, unquote(href)
    order = unquote(reverse("portal:order"))
    inside = here == place or (place != "/" and here.startswith(place.rstrip("/") + "/"))
    if here.startswith(UNDER.get(name, ())):
        inside = True
    if name == "jobs" and here.startswith(order):
        inside = False
    return MenuItem(word, href, current=inside)
