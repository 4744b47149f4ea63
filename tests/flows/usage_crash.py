"""The importing process of the kill test, with the database that DATABASE_URL names.

    python -m tests.flows.usage_crash make FILE     a small world, and a file of readings of its jobs
    python -m tests.flows.usage_crash import FILE   says "taken", then how many rows are done
    python -m tests.flows.usage_crash books         everything that the file could have changed

It goes on where the last one was cut off, as `jinsuan readings import` does.
"""

from __future__ import annotations

import json
import sys
from hashlib import sha256
from pathlib import Path

from jinsuan.entrypoints.site.boot import boot, migrate

boot()

from django.db import connection  # noqa: E402

from jinsuan.dispatch import actions as dispatch  # noqa: E402
from jinsuan.kernel.ref import Actor  # noqa: E402
from jinsuan.ledger.queries import check_book  # noqa: E402
from jinsuan.metering.models import UsageFile  # noqa: E402
from tests.flows.usage_world import RECEIVED, honest, sheet, start_jobs  # noqa: E402

CENTRE = "T01"
ORDER_ONLY = {("ledger_transfer", "number"), ("ledger_audit_row", "id"), ("ledger_account", "id")}
ORDER_ONLY |= {("ledger_waiting_row", "row_id")}
"""What comes from a sequence: a cut-off transaction leaves a gap. Only its order is compared."""
BY_ACCOUNT = {("ledger_transfer", "debit_id"), ("ledger_transfer", "credit_id")}
SEQUENCED = {("metering_chargeline", "id"), ("metering_usagefilesubject", "id")}


def make(path: Path) -> None:
    migrate()
    _, jobs = start_jobs()
    path.write_bytes(sheet(honest(jobs)).getvalue())


def work(path: Path) -> None:
    with path.open("rb") as file:
        taken = dispatch.take_usage_file(
            file, name="读数.csv", centre=CENTRE, actor=Actor.system("crash"), now=RECEIVED
        )
    print("taken", flush=True)
    more = True
    while more:
        more = dispatch.book_next(taken.file.id, now=RECEIVED, size=10)
        print(UsageFile.objects.get().rows_done, flush=True)


def books() -> None:
    """A digest of every table, in an order that does not hang on sequences."""
    found = {}
    with connection.cursor() as cursor:
        for table in sorted(connection.introspection.django_table_names(only_existing=True)):
            if table.startswith(("django_", "auth_")):
                continue
            cursor.execute(
                "SELECT column_name FROM information_schema.columns WHERE table_name = %s"
                " ORDER BY ordinal_position",
                [table],
            )
            columns = [_column(table, name) for (name,) in cursor.fetchall()]
            cursor.execute(f"SELECT {', '.join(columns)} FROM {table} t")
            rows = sorted(map(repr, cursor.fetchall()))
            found[table] = f"{len(rows)} {sha256(chr(10).join(rows).encode()).hexdigest()}"
    file = UsageFile.objects.get()
    print(
        json.dumps(
            {
                "books": found,
                "differences": list(check_book().differences),
                "rows_done": file.rows_done,
                "rows": file.rows,
                "charged_fen": file.charged_fen,
            }
        )
    )


def _column(table: str, name: str) -> str:
    if (table, name) in ORDER_ONLY:
        return f"rank() OVER (ORDER BY {name})" if table != "ledger_account" else "t.code"
    if (table, name) in BY_ACCOUNT:
        return f"(SELECT a.code FROM ledger_account a WHERE a.id = t.{name})"
    return "1" if (table, name) in SEQUENCED else f"t.{name}"


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["make", path]:
            make(Path(path))
        case ["import", path]:
            work(Path(path))
        case ["books"]:
            books()
