"""管理 shows tables and changes nothing, whatever is sent to it."""

from __future__ import annotations

import pytest
from django.urls import reverse

from jinsuan.entrypoints.portal.readonly_admin import site
from jinsuan.registry.models import Person
from tests.flows.lively import Lively
from tests.flows.test_portal_pages import as_

pytestmark = pytest.mark.django_db


def table_addresses() -> list[tuple[str, str]]:
    """Every table with the name its addresses begin with."""
    return [
        (m._meta.label, f"admin:{m._meta.app_label}_{m._meta.model_name}") for m in site._registry
    ]


def test_the_operator_sees_every_table_and_nobody_else_sees_any(world: Lively) -> None:
    operator, others = as_("operator"), [as_(n) for n in (None, "researcher", "officer", "auditor")]
    assert len(table_addresses()) > 20
    for label, name in table_addresses():
        path = reverse(f"{name}_changelist")
        assert operator.get(path).status_code == 200, label
        assert [c.get(path).status_code for c in others] == [404] * len(others), label
    assert [c.get("/管理/").status_code for c in others] == [404] * len(others)


def test_no_address_of_it_writes(world: Lively) -> None:
    client = as_("operator")
    superuser = Person.objects.create(username="root", is_superuser=True, is_staff=True)
    root = as_("root")
    assert superuser.is_superuser
    for model in site._registry:
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        row = model._default_manager.first()
        for who in (client, root):
            assert who.get(reverse(f"{name}_add")).status_code == 404, model
            assert who.post(reverse(f"{name}_add"), {"x": "1"}).status_code == 404, model
            if row is None:
                continue
            change = reverse(f"{name}_change", args=[row.pk])
            assert who.get(change).status_code == 200, model
            assert who.post(change, {"name": "改了"}).status_code == 404, model
            delete = reverse(f"{name}_delete", args=[row.pk])
            assert who.post(delete, {"post": "yes"}).status_code == 404, model
            changelist = reverse(f"{name}_changelist")
            chosen = {"action": "delete_selected", "_selected_action": [str(row.pk)], "post": "yes"}
            who.post(changelist, chosen)
            assert model._default_manager.filter(pk=row.pk).exists(), model


def test_it_shows_no_secret(world: Lively) -> None:
    client = as_("operator")
    person = Person.objects.get(username="researcher")
    text = client.get(reverse("admin:registry_person_change", args=[person.pk])).content.decode()
    assert "researcher" in text
    assert person.password not in text
    assert "md5$" not in text


def test_passwords_cannot_be_changed_there(world: Lively) -> None:
    assert "auth" not in {m._meta.app_label for m in site._registry}
    client = as_("operator")
    for name in ("password_change",):
        assert client.post(f"/管理/{name}/", {"old_password": "x"}).status_code == 404, name
