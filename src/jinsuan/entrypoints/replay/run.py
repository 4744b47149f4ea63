"""What `jinsuan replay` does once its database is up."""

from __future__ import annotations

import os
import secrets
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinsuan.entrypoints import clock
from jinsuan.entrypoints.demo.processes import Processes, free_port
from jinsuan.entrypoints.replay.cpu import Used, used
from jinsuan.entrypoints.replay.pods import Pace, Pod, order_for
from jinsuan.entrypoints.replay.province import Centre, models_of

CLI = "jinsuan.entrypoints.cli"
REGISTER_SECONDS = 120
ENVIRONMENT = {"JINSUAN_DEMO": "1", "JINSUAN_USAGE_INTERVAL_MS": "5000"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to replay.

    Args:
        minutes: how long to wait for the last job at most.
        modules: what to start as "server", "worker" and "agents", where it is not the command
            line itself: a benchmark measures with its own.
    """

    centres: tuple[Centre, ...]
    pods: tuple[Pod, ...]
    pace: Pace
    minutes: int = 15
    workers: int = 1
    modules: Mapping[str, str] | None = None


def run_replay(
    plan: Plan,
    folder: Path,
    *,
    port: int,
    postmaster: Callable[[], int],
    say: Callable[[str], None],
    tell: Callable[[Any], None],
    stay: bool = False,
) -> Any:
    """Make the province, start the processes, order, wait, report.

    Args:
        folder: an empty one of our own.
        postmaster: process id of the database, to count its processor time.
        tell: shows the report.
        stay: keep everything up after the report, until Ctrl-C.

    Returns:
        The `report.Report`. Its module needs Django, so it is named only where it is made.
    """
    from jinsuan.entrypoints.site.boot import boot, migrate

    os.environ.update({**ENVIRONMENT, "JINSUAN_SECRET_KEY": secrets.token_urlsafe(48)})
    boot()
    migrate()
    from jinsuan.entrypoints.replay.setup import make_agents, register

    nodes = sum(len(c.machines) for c in plan.centres)
    cards = sum(m.cards for c in plan.centres for m in c.machines)
    say(f"… 登记 {len(plan.centres)} 个中心，{nodes} 个节点，{cards} 张卡")
    tenants = register(plan.centres, speed=plan.pace.speed, now=clock.now())
    port = free_port(port)
    url = f"http://127.0.0.1:{port}"
    processes = Processes(folder / "logs", {})
    try:
        _start(
            processes, plan, "server", "serve", "--port", str(port), "--workers", str(plan.workers)
        )
        processes.await_ready(url)
        agents = make_agents(plan.centres, folder / "agents", url, now=clock.now)
        _start(processes, plan, "worker", "worker")
        _start(processes, plan, "agents", "agent", "run", *map(str, agents))
        say(f"… {len(agents)} 个中心的代理上报节点")
        _await_nodes(nodes, processes)
        meter = Meter(processes, postmaster)
        report = _measured(plan, url, [tenant.token for tenant in tenants], processes, meter, say)
        tell(report)
        with suppress(KeyboardInterrupt):
            if stay:
                say(f"… 网站仍在 {url}/ 运行，Ctrl-C 停止")
            while stay:
                processes.check()
                time.sleep(2)
        return report
    finally:
        processes.stop()


def _start(processes: Processes, plan: Plan, name: str, *arguments: str) -> None:
    processes.start(name, arguments, module=(plan.modules or {}).get(name, CLI))


def _await_nodes(wanted: int, processes: Processes) -> None:
    """Until every machine was reported by its agent."""
    from jinsuan.registry.queries import free_capacity

    until = time.monotonic() + REGISTER_SECONDS
    while sum(len(cluster.nodes) for cluster in free_capacity(now=clock.now())) < wanted:
        processes.check()
        assert time.monotonic() < until, "the agents did not report all machines"
        time.sleep(0.5)


class Meter:
    """Processor time by process since it was made."""

    def __init__(self, processes: Processes, postmaster: Callable[[], int]) -> None:
        self._roots = {name: child.pid for name, child in processes.children.items()}
        self._roots["PostgreSQL"] = postmaster()
        self._client = time.process_time()
        self._before = self._now()

    def _now(self) -> dict[str, Used]:
        return {name: used(pid) for name, pid in self._roots.items()}

    def read(self) -> tuple[dict[str, int], int]:
        """Milliseconds by process, and those of the replay itself, which is not the platform."""
        now = self._now()
        spent = {name: now[name] - self._before[name] for name in now}
        agents = spent.pop("agents")
        return (
            {
                "网站": spent["server"].all_ms,
                "后台": spent["worker"].all_ms,
                "代理": agents.own_ms,
                "作业自身": agents.below_ms,
                "PostgreSQL": spent["PostgreSQL"].all_ms,
            },
            round((time.process_time() - self._client) * 1000),
        )


def _measured(
    plan: Plan,
    url: str,
    tokens: Sequence[str],
    processes: Processes,
    meter: Meter,
    say: Callable[[str], None],
) -> Any:
    from jinsuan.entrypoints.replay.drive import order_all, watch
    from jinsuan.entrypoints.replay.report import Report, counted

    models = models_of(plan.centres)
    orders = [order_for(pod, models, plan.pace) for pod in plan.pods]
    say(f"… 下单 {len(orders)} 个，{len(tokens)} 个用户")
    began = time.monotonic()
    jobs, refused = order_all(url, tokens, orders)
    ordered = time.monotonic()
    say(f"… 已下单 {len(jobs)} 个，等待全部结清（最长的作业 {plan.pace.longest_seconds} 秒）")
    seen = watch(len(jobs), until=ordered + plan.minutes * 60, check=processes.check)
    wall = time.monotonic() - began
    cpu_ms, client_ms = meter.read()
    return Report(
        submitted=len(orders),
        kinds=dict(Counter(pod.kind for pod in plan.pods).most_common()),
        cut=sum(plan.pace.cuts(pod.life_seconds) for pod in plan.pods),
        speed=plan.pace.speed,
        refused_at_order=dict(refused),
        most_waiting=seen.most_waiting,
        waiting_reasons=dict(seen.reasons),
        order_seconds=ordered - began,
        wall_seconds=wall,
        cpu_ms=cpu_ms,
        client_ms=client_ms,
        **counted(),
    )
