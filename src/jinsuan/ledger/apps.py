"""Django needs to know the room's name."""

from django.apps import AppConfig


class LedgerConfig(AppConfig):
    """The room ledger."""

    name = "jinsuan.ledger"
    default_auto_field = "django.db.models.BigAutoField"
