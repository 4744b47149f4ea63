"""The command line: local commands work on this machine's database, remote ones through the API."""

from __future__ import annotations

import sys

import structlog
import typer

from jinsuan.entrypoints.cli import (
    agent,
    bank,
    book,
    check,
    corrections,
    job,
    key,
    money,
    policy,
    readings,
    reconcile,
    registry,
    seal,
    server,
    statement,
    token,
    trace,
)
from jinsuan.entrypoints.cli.show import fail
from jinsuan.entrypoints.cli.usage import run
from jinsuan.entrypoints.database.commands import app as database
from jinsuan.entrypoints.demo.command import demo
from jinsuan.entrypoints.replay.command import replay
from jinsuan.kernel.errors import DomainError

app = typer.Typer(
    name="jinsuan",
    help="晋算：算力调度与监测、算力券、政策兑现。",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(database, name="db")
book.app.command("reconcile")(reconcile.reconcile)
book.app.command("clear")(reconcile.clear)
app.add_typer(book.app, name="book")
app.add_typer(bank.app, name="bank")
app.add_typer(readings.app, name="readings")
app.add_typer(corrections.app, name="correction")
app.add_typer(check.app, name="check")
app.add_typer(money.payees, name="payee")
app.add_typer(money.refunds, name="refund")
app.add_typer(money.payouts, name="payout")
app.add_typer(money.clawbacks, name="clawback")
app.add_typer(seal.audit, name="audit")
app.add_typer(agent.app, name="agent")
app.add_typer(key.app, name="key")
app.add_typer(registry.app, name="registry")
app.add_typer(policy.app, name="policy")
app.add_typer(job.app, name="job")
app.add_typer(job.centres, name="centre")
app.add_typer(job.vouchers, name="voucher")
app.add_typer(token.app, name="token")
app.command("login")(job.login)
app.command("plan")(job.plan)
app.command("notifications")(job.notifications)
app.command("trace")(trace.trace)
app.command("statement")(statement.statement)
app.command("migrate")(server.migrate_command)
app.command("serve")(server.serve)
app.command("worker")(server.worker)
app.command("dev")(server.dev)
app.command("demo")(demo)
app.command("replay")(replay)


def main() -> None:
    """Run a command; a refusal is shown in Chinese on standard error and ends with status 2."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
    )
    try:
        run(app)
    except DomainError as error:
        fail(error)
