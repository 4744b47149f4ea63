"""Django's settings. Everything that differs between installations comes from the environment."""

from __future__ import annotations

import os
import secrets
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from jinsuan.dispatch.pace import SyncPace
from jinsuan.entrypoints.api.rate import read_rate
from jinsuan.entrypoints.database import default_folder
from jinsuan.entrypoints.site.oidc import read_single_sign_on

PACKAGE = Path(__file__).parents[2]


def _database(url: str) -> dict[str, Any]:
    parts = urlsplit(url)
    return {
        "ENGINE": "jinsuan.entrypoints.site.postgresql",
        "NAME": parts.path.lstrip("/"),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": parts.hostname or "",
        "PORT": parts.port or "",
        "CONN_MAX_AGE": 60,
        "CONN_HEALTH_CHECKS": True,
        # After so many times a statement of `ledger.statements` is planned once per connection.
        "OPTIONS": {
            "application_name": "jinsuan",
            "prepare_threshold": 3 if os.environ.get("JINSUAN_PREPARE", "1") == "1" else None,
        },
    }


DEBUG = False
# Without a configured key every start makes its own: sessions end with the process, nothing leaks.
SECRET_KEY = os.environ.get("JINSUAN_SECRET_KEY") or secrets.token_urlsafe(48)
ALLOWED_HOSTS = os.environ.get("JINSUAN_HOSTS", "127.0.0.1,localhost").split(",")
DATABASES = {"default": _database(os.environ.get("DATABASE_URL", "postgresql:///jinsuan"))}

INSTALLED_APPS = [
    "jinsuan.entrypoints.portal",  # first: its templates stand in for those of the apps below
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
    "axes",
    "csp",
    "django_htmx",
    "procrastinate.contrib.django",
    "jinsuan.ledger",
    "jinsuan.registry",
    "jinsuan.metering",
    "jinsuan.casework",
    "jinsuan.vouchers",
    "jinsuan.dispatch",
    "jinsuan.entrypoints.api",
    "jinsuan.entrypoints.longwork",
]
MIDDLEWARE = [
    "jinsuan.entrypoints.api.edge.ProblemEdge",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "jinsuan.entrypoints.portal.refusals.RefusalMiddleware",
    "axes.middleware.AxesMiddleware",  # last, as axes asks
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "jinsuan.entrypoints.portal.context.shell",
            ],
        },
    }
]
ROOT_URLCONF = "jinsuan.entrypoints.site.urls"
AUTH_USER_MODEL = "registry.Person"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

LANGUAGE_CODE = "zh-hans"
TIME_ZONE = "Asia/Shanghai"
USE_TZ = True
STATIC_URL = "/static/"
# Without a collected folder the files are served from where they are installed.
STATIC_ROOT = os.environ.get("JINSUAN_STATIC_ROOT") or None
WHITENOISE_USE_FINDERS = STATIC_ROOT is None
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.InMemoryStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if STATIC_ROOT is None
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}

# The timers; see entrypoints/worker.
PROCRASTINATE_IMPORT_PATHS = ["jinsuan.entrypoints.worker.tasks"]

# Made-up data is marked on every page.
DEMO = os.environ.get("JINSUAN_DEMO", "") == "1"

# Who logs in, and how. Accounts are given out by an organisation, never taken.
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",  # first: it only refuses
    "allauth.account.auth_backends.AuthenticationBackend",
]
ACCOUNT_ADAPTER = "jinsuan.entrypoints.portal.accounts.Accounts"
ACCOUNT_LOGIN_METHODS = {"username"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_EMAIL_NOTIFICATIONS = False
ACCOUNT_SESSION_REMEMBER = False
ACCOUNT_LOGOUT_REDIRECT_URL = "/"
MFA_ADAPTER = "jinsuan.entrypoints.portal.accounts.TwoStep"
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes"]
MFA_TOTP_ISSUER = "晋算"
# Failed log-ins are counted in the database, for all processes together; allauth counts per process.
ACCOUNT_RATE_LIMITS = {"login_failed": None}
AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]  # so that nobody locks out somebody else
AXES_LOCKOUT_CALLABLE = "jinsuan.entrypoints.site.log_in.locked_out"
AXES_RESET_ON_SUCCESS = True
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_DISABLE_ACCESS_LOG = True
AXES_ENABLE_ADMIN = False
AXES_USERNAME_CALLABLE = "jinsuan.entrypoints.site.log_in.claimed_username"
AXES_VERBOSE = False

# The unified log-in, when configured: only for identities that are linked to a person.
SINGLE_SIGN_ON = read_single_sign_on(os.environ)
SOCIALACCOUNT_ADAPTER = "jinsuan.entrypoints.site.log_in.LinkedIdentities"
SOCIALACCOUNT_PROVIDERS = {
    "openid_connect": {"APPS": SINGLE_SIGN_ON.apps if SINGLE_SIGN_ON else []}
}
SOCIALACCOUNT_OPENID_CONNECT_URL_PREFIX = ""  # the callback is /sso/oidc/login/callback/
SOCIALACCOUNT_AUTO_SIGNUP = False
SOCIALACCOUNT_EMAIL_AUTHENTICATION = False
SOCIALACCOUNT_STORE_TOKENS = False
CSRF_FAILURE_VIEW = "jinsuan.entrypoints.portal.refusals.csrf_failed"

# Over TLS (a proxy in front says so) cookies never travel without it.
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = os.environ.get("JINSUAN_TLS", "") == "1"
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if SESSION_COOKIE_SECURE else None
CSRF_TRUSTED_ORIGINS = (
    [f"https://{host}" for host in ALLOWED_HOSTS if host != "*"] if SESSION_COOKIE_SECURE else []
)
SESSION_COOKIE_AGE = 12 * 3600
X_FRAME_OPTIONS = "DENY"

# Nothing but our own files: no inline script or style, no other host.
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'self'"],
        "img-src": ["'self'", "data:"],  # Tabler's ticks and arrows, the two-step log-in's QR code
        "base-uri": ["'self'"],
        # A browser holds the redirect after a form to this too.
        "form-action": ["'self'", *([SINGLE_SIGN_ON.origin] if SINGLE_SIGN_ON else [])],
        "frame-ancestors": ["'none'"],
        "object-src": ["'none'"],
    }
}

# Applicants' files lie outside every web root. A scanner is "module.function" of bytes, giving None
# or what it found; when one is named and does not answer, nothing is taken in.
FILES_FOLDER = os.environ.get("JINSUAN_FILES") or str(default_folder() / "files")
VIRUS_SCANNER = os.environ.get("JINSUAN_VIRUS_SCANNER") or None

# A sync carries log chunks, so agents may send more than people; body.py says so in words.
DATA_UPLOAD_MAX_MEMORY_SIZE = 8 * 1024 * 1024
APPEND_SLASH = False
AGENT_PACE = SyncPace(
    interval_ms=int(os.environ.get("JINSUAN_SYNC_INTERVAL_MS", "2000")),
    usage_interval_ms=int(os.environ.get("JINSUAN_USAGE_INTERVAL_MS", "60000")),
)
# Requests and seconds per token and server process; see api/throttle.py.
API_RATE = read_rate(os.environ.get("JINSUAN_API_RATE", "600/m"))
