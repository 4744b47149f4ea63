"""The timers, as procrastinate's periodic tasks: cron with seconds, kept in PostgreSQL.

A task that is still waiting is not queued again (queueing lock). What a killed worker left behind
is found by its silence and put back or dropped by `reap`.
"""

from __future__ import annotations

from collections.abc import Callable

import structlog
from django.db import close_old_connections
from procrastinate.contrib.django import app
from procrastinate.jobs import Status

from jinsuan.entrypoints import clock
from jinsuan.entrypoints.worker import ticks

log = structlog.get_logger(__name__)

SILENT_SECONDS = 20
"""A worker says that it lives every five seconds; see run.py."""


def _run(act: Callable[[ticks.Clock], int]) -> int:
    close_old_connections()
    return act(clock.now)


@app.periodic(cron="* * * * * *")
@app.task(name="turn", queueing_lock="turn")
def turn(timestamp: int) -> int:
    """Every second: place and settle."""
    del timestamp
    return _run(ticks.turn)


@app.periodic(cron="* * * * * */5")
@app.task(name="watch", queueing_lock="watch")
def watch(timestamp: int) -> int:
    """Every five seconds: silence and money."""
    del timestamp
    return _run(ticks.watch)


@app.periodic(cron="* * * * * *")
@app.task(name="longwork", queueing_lock="longwork")
def longwork(timestamp: int) -> int:
    """Every second: the next long work, from where it stands."""
    del timestamp
    return _run(ticks.longwork)


@app.periodic(cron="17 * * * *")
@app.task(name="sweep", queueing_lock="sweep")
def sweep(timestamp: int) -> int:
    """Every hour: what need not be kept any longer."""
    del timestamp
    return _run(ticks.sweep)


@app.periodic(cron="*/5 * * * *")
@app.task(name="usage_files", queueing_lock="usage_files")
def usage_files(timestamp: int) -> int:
    """Every five minutes: usage files whose import was cut off."""
    del timestamp
    return _run(ticks.usage_files)


@app.periodic(cron="*/5 * * * *")
@app.task(name="vouchers", queueing_lock="vouchers")
def vouchers(timestamp: int) -> int:
    """Every five minutes: vouchers whose last day is over."""
    del timestamp
    return _run(ticks.vouchers)


@app.periodic(cron="30 18 * * *")
@app.task(name="reconcile", queueing_lock="reconcile")
def reconcile(timestamp: int) -> int:
    """Every night at 02:30 in Beijing: whether the books agree. No timer below: killed, it comes
    back at once and not only the next night."""
    del timestamp
    return _run(ticks.reconcile)


@app.periodic(cron="* * * * *")
@app.task(name="cases", queueing_lock="cases")
def cases(timestamp: int) -> int:
    """Every minute: checks of cases handed in, and notices that are over."""
    del timestamp
    return _run(ticks.cases)


@app.periodic(cron="13 17 * * *")
@app.task(name="warn", queueing_lock="warn")
def warn(timestamp: int) -> int:
    """Every night after one in Beijing: vouchers that will expire soon."""
    del timestamp
    return _run(ticks.warn)


@app.periodic(cron="* * * * * */10")
@app.task(name="seal", queueing_lock="seal")
def seal(timestamp: int) -> int:
    """Every ten seconds: audit rows that have no place in the chain yet."""
    del timestamp
    return _run(ticks.seal)


@app.periodic(cron="* * * * * */5")
@app.task(name="notify", queueing_lock="notify")
def notify(timestamp: int) -> int:
    """Every five seconds: what was sealed since, told to whom it concerns."""
    del timestamp
    return _run(ticks.notify)


@app.periodic(cron="* * * * * */10")
@app.task(name="reap", queueing_lock="reap")
async def reap(timestamp: int) -> int:
    """Every ten seconds: tasks of workers that fell silent."""
    del timestamp
    stalled = list(await app.job_manager.get_stalled_jobs(seconds_since_heartbeat=SILENT_SECONDS))
    for job in stalled:
        log.warning("task.reaped", task=job.task_name, id=job.id)
        if job.task_name in TIMERS:  # its next turn comes by itself
            await app.job_manager.finish_job(job, status=Status.FAILED, delete_job=True)
        else:
            await app.job_manager.retry_job(job)
    return len(stalled)


TIMERS = frozenset(
    {"turn", "watch", "reap", "sweep", "vouchers", "seal", "cases", "warn", "notify", "longwork"}
)
