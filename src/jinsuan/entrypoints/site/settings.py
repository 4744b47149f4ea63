"""Django's settings. Everything that differs between installations comes from the environment."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from jinsuan.dispatch.pace import SyncPace

PACKAGE = Path(__file__).parents[2]


def _database(url: str) -> dict[str, Any]:
    parts = urlsplit(url)
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": parts.path.lstrip("/"),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": parts.hostname or "",
        "PORT": parts.port or "",
        "CONN_MAX_AGE": 60,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {"application_name": "jinsuan"},
    }


DEBUG = False
# Without a configured key every start makes its own: sessions end with the process, nothing leaks.
SECRET_KEY = os.environ.get("JINSUAN_SECRET_KEY") or secrets.token_urlsafe(48)
ALLOWED_HOSTS = os.environ.get("JINSUAN_HOSTS", "127.0.0.1,localhost").split(",")
DATABASES = {"default": _database(os.environ.get("DATABASE_URL", "postgresql:///jinsuan"))}

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "jinsuan.ledger",
    "jinsuan.registry",
    "jinsuan.metering",
    "jinsuan.vouchers",
    "jinsuan.dispatch",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "jinsuan.entrypoints.site.urls"
AUTH_USER_MODEL = "registry.Person"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

LANGUAGE_CODE = "zh-hans"
TIME_ZONE = "Asia/Shanghai"
USE_TZ = True
STATIC_URL = "/static/"

# A sync carries log chunks, so agents may send more than people; body.py says so in words.
DATA_UPLOAD_MAX_MEMORY_SIZE = 8 * 1024 * 1024
APPEND_SLASH = False
AGENT_PACE = SyncPace(
    interval_ms=int(os.environ.get("JINSUAN_SYNC_INTERVAL_MS", "2000")),
    usage_interval_ms=int(os.environ.get("JINSUAN_USAGE_INTERVAL_MS", "60000")),
)
