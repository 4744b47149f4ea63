"""django-hordak on the same postings; run by the peer's Python, told "calls each" line by line.

`each` transfers per commit out of one account to a hundred, as its documentation does it, by
`transfer_to`; with more than one, also by `bulk_create`, which is the fastest it offers. It keeps
no key against doubles, no audit row and no balance, and refuses no overdraft by itself.
"""

from __future__ import annotations

import json
import os
import sys
import time
from importlib.metadata import version
from itertools import count
from urllib.parse import urlsplit

import django
from django.conf import settings

url = urlsplit(os.environ["DATABASE_URL"])
settings.configure(
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": url.path[1:],
            "USER": url.username,
            "PASSWORD": url.password,
            "HOST": url.hostname,
            "PORT": url.port,
            "CONN_MAX_AGE": None,
        }
    },
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "mptt", "hordak"],
    DEFAULT_CURRENCY="CNY",
    CURRENCIES=["CNY"],
    HORDAK_INTERNAL_CURRENCY="CNY",
    USE_TZ=True,
    DEFAULT_AUTO_FIELD="django.db.models.AutoField",
)
django.setup()

from django.core.management import call_command  # noqa: E402
from django.db import transaction  # noqa: E402
from hordak.models import Account, Leg, Transaction  # noqa: E402
from moneyed import Money  # noqa: E402

numbers = count()
FEN = Money("0.01", "CNY")


def accounts() -> tuple[Account, list[Account]]:
    pool = Account.objects.create(name="pool", code="1", type="LI", currencies=["CNY"])
    vouchers = [
        Account.objects.create(name=f"v{n}", code=str(n + 2), type="LI", currencies=["CNY"])
        for n in range(100)
    ]
    return pool, vouchers


def one_by_one(pool: Account, vouchers: list[Account], calls: int, each: int) -> None:
    for _ in range(calls):
        with transaction.atomic():
            for _ in range(each):
                number = next(numbers)
                pool.transfer_to(vouchers[number % 100], FEN, description=f"bench:{number}")


def in_bulk(pool: Account, vouchers: list[Account], calls: int, each: int) -> None:
    for _ in range(calls):
        with transaction.atomic():
            made = Transaction.objects.bulk_create(
                Transaction(description=f"bench:{next(numbers)}") for _ in range(each)
            )
            Leg.objects.bulk_create(
                leg
                for n, one in enumerate(made)
                for leg in (
                    Leg(transaction=one, account=pool, credit=FEN),
                    Leg(transaction=one, account=vouchers[n % 100], debit=FEN),
                )
            )


def main() -> None:
    call_command("migrate", verbosity=0)
    pool, vouchers = accounts()
    one_by_one(pool, vouchers, 50, 1)
    print(json.dumps({"version": version("django-hordak")}), flush=True)
    for line in sys.stdin:
        calls, each = map(int, line.split())
        found = {}
        ways = {"transfer_to": one_by_one} | ({"bulk_create": in_bulk} if each > 1 else {})
        for name, way in ways.items():
            began = time.perf_counter()
            way(pool, vouchers, calls, each)
            found[name] = calls * each / (time.perf_counter() - began)
        print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
