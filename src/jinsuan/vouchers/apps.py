"""Django needs to know the room's name."""

from django.apps import AppConfig


class VouchersConfig(AppConfig):
    """The room vouchers."""

    name = "jinsuan.vouchers"
    default_auto_field = "django.db.models.BigAutoField"
