"""管理: every table, to look at only. Changes go through actions, never through here."""

from __future__ import annotations

from functools import update_wrapper
from typing import TYPE_CHECKING, Any, cast

from django.apps import apps
from django.contrib.admin import AdminSite, ModelAdmin
from django.db import models
from django.http import HttpRequest, HttpResponse

from jinsuan.entrypoints.portal.acting import acting_of
from jinsuan.entrypoints.portal.refusals import not_found
from jinsuan.kernel.ref import Role

HIDDEN = ("password", "secret", "sealed", "sha256", "digest", "_index")
"""Parts of the names of fields that hold keys, hashes or personal data."""
LISTED = 6
"""Columns of a list."""
ROOMS = {
    "ledger": "账簿",
    "registry": "机构、人员与中心",
    "metering": "计量与费用",
    "vouchers": "算力券",
    "dispatch": "作业调度",
}


class ReadOnlySite(AdminSite):
    """Open to superusers and to whoever acts as platform operator; to others it does not exist."""

    site_header = "晋算 系统管理（只读）"
    site_title = "系统管理"
    index_title = "数据表"
    site_url = "/"
    enable_nav_sidebar = False

    def has_permission(self, request: HttpRequest) -> bool:
        if not request.user.is_active:
            return False
        if getattr(request.user, "is_superuser", False):
            return True
        acting = acting_of(request)
        return acting is not None and acting.role is Role.PLATFORM_OPERATOR

    def get_app_list(
        self, request: HttpRequest, app_label: str | None = None
    ) -> list[dict[str, Any]]:
        """The rooms with their tables, in our own words."""
        found = super().get_app_list(request, app_label)
        for room in found:
            room["name"] = ROOMS.get(room["app_label"], room["name"])
            for table in room["models"]:
                table["name"] = words_for(table["model"])
        return found

    def admin_view(self, view: Any, cacheable: bool = False) -> Any:
        """Let nobody else in, and tell them nothing: no way to a log-in page of its own."""
        inner = super().admin_view(view, cacheable)

        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if not self.has_permission(request):
                return not_found(request)
            return cast(HttpResponse, inner(request, *args, **kwargs))

        return update_wrapper(guarded, view)

    def password_change(  # type: ignore[override]
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Passwords are changed on our own page, which asks for the old one."""
        del extra_context
        return not_found(request)

    def login(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Strangers are not told that there is anything here."""
        del extra_context
        return not_found(request)


if TYPE_CHECKING:
    Base = ModelAdmin[models.Model]
else:  # Django's own class takes no parameter
    Base = ModelAdmin


class ReadOnlyModel(Base):
    """One table: look, search by identifier, nothing else."""

    list_per_page = 50
    show_full_result_count = False
    actions = None

    def has_view_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        del obj
        return self.admin_site.has_permission(request)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.admin_site.has_permission(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        del request
        return False

    def has_change_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        del request, obj
        return False

    def has_delete_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        del request, obj
        return False

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        title = {"title": words_for(self.model), **(extra_context or {})}
        return super().changelist_view(request, title)

    def get_fields(self, request: HttpRequest, obj: models.Model | None = None) -> list[Any]:
        del request, obj
        return _shown(self.model)


def _shown(model: type[models.Model]) -> list[str]:
    return [
        field.name
        for field in model._meta.concrete_fields  # noqa: SLF001 - Django's documented way in
        if not isinstance(field, models.BinaryField)
        and not any(part in field.name for part in HIDDEN)
    ]


def words_for(model: type[models.Model]) -> str:
    """What a table is called: the first words of its docstring, which are Chinese."""
    words = (model.__doc__ or "").partition(":")[0].partition(".")[0].strip()
    return model.__name__ if words.isascii() else words


def _register(made: ReadOnlySite) -> None:
    """Show the tables of our own rooms."""
    for model in apps.get_models():
        if model.__module__.startswith("jinsuan."):
            columns = _shown(model)[:LISTED]
            made.register(model, ReadOnlyModel, list_display=columns, ordering=("-pk",))


site = ReadOnlySite(name="admin")
_register(site)
