"""The yardstick: Django + ninja + granian with a token lookup and one row, and nothing of ours.

The token is looked up in PostgreSQL on each request and one row is read by its key, through the
ORM, behind Django's usual seven middlewares, on the same database server as the product.
"""

from __future__ import annotations

import hashlib
import os
import sys
from typing import Any
from urllib.parse import unquote, urlsplit

from django.conf import settings

TABLES = """
    CREATE TABLE bare_token (
        id bigserial PRIMARY KEY, sha256 bytea NOT NULL UNIQUE, owner uuid NOT NULL);
    CREATE TABLE bare_thing (
        id uuid PRIMARY KEY, owner uuid NOT NULL, name text NOT NULL, state text NOT NULL,
        amount numeric(18, 2) NOT NULL, made_at timestamptz NOT NULL);
"""


def configure() -> None:
    """As `django-admin startproject` would, with our database."""
    parts = urlsplit(os.environ["DATABASE_URL"])
    settings.configure(
        DEBUG=False,
        SECRET_KEY="bare",
        ALLOWED_HOSTS=["127.0.0.1"],
        ROOT_URLCONF="benchmarks.bare_urls",
        USE_TZ=True,
        INSTALLED_APPS=[
            "django.contrib.auth",
            "django.contrib.contenttypes",
            "django.contrib.sessions",
            "django.contrib.messages",
            "benchmarks.bare_app",
        ],
        MIDDLEWARE=[
            "django.middleware.security.SecurityMiddleware",
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.middleware.common.CommonMiddleware",
            "django.middleware.csrf.CsrfViewMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
            "django.contrib.messages.middleware.MessageMiddleware",
            "django.middleware.clickjacking.XFrameOptionsMiddleware",
        ],
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.postgresql",
                "NAME": parts.path.lstrip("/"),
                "USER": unquote(parts.username or ""),
                "PASSWORD": unquote(parts.password or ""),
                "HOST": parts.hostname or "",
                "PORT": parts.port or "",
                "CONN_MAX_AGE": 60,
            }
        },
    )


def hashed(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def application(environ: dict[str, Any], start: Any) -> Any:
    """Made at the first request, in granian's own process."""
    global _made  # noqa: PLW0603
    if _made is None:
        if not settings.configured:
            configure()
        from django.core.wsgi import get_wsgi_application

        _made = get_wsgi_application()
    return _made(environ, start)


_made: Any = None


def main() -> None:
    """`python -m benchmarks.bare PORT WORKERS`."""
    from granian import Granian
    from granian.constants import Interfaces

    Granian(
        "benchmarks.bare:application",
        address="127.0.0.1",
        port=int(sys.argv[1]),
        interface=Interfaces.WSGI,
        workers=int(sys.argv[2]),
        blocking_threads=8,
        backpressure=64,
        log_access=False,
        log_level="warning",  # type: ignore[arg-type]
    ).serve()


if __name__ == "__main__":
    main()
