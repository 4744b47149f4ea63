"""Run an agent until it is told to stop: pace, back-off, and waking up when a job ends."""

from __future__ import annotations

import random
import select
import signal
import socket
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from datetime import datetime
from importlib import metadata

import structlog

from jinsuan.agent.agent import Agent
from jinsuan.agent.config import AgentConfig
from jinsuan.agent.engines.base import OpenEngine
from jinsuan.agent.engines.embedded import EmbeddedEngine
from jinsuan.agent.engines.kubernetes import KubernetesEngine
from jinsuan.agent.engines.ray import RayEngine
from jinsuan.agent.engines.slurm import SlurmEngine
from jinsuan.agent.errors import PlatformRefused, PlatformUnreachable
from jinsuan.agent.http import HttpTransport
from jinsuan.agent.journal import Journal
from jinsuan.agent.keys import load_key

log = structlog.get_logger(__name__)

FIRST_BACK_OFF_SECONDS = 1.0
LONGEST_BACK_OFF_SECONDS = 60.0
LOOK_SECONDS = 1.0
"""How often the engine is looked at between two rounds while there is work: limits, adopted jobs."""
LOOK_AT_MOST_EVERY_SECONDS = 0.05


def agent_version() -> str:
    """The version of this package, as told to the platform."""
    try:
        return metadata.version("jinsuan")
    except metadata.PackageNotFoundError:
        return "0"


class Alarm:
    """Sleep that a signal ends: a finished child wakes the agent, SIGTERM and SIGINT stop it.

    Args:
        signals: whether this one hears them; one alarm of a process can, made in its main thread.
            Without them only `stop` and the time end a sleep.
    """

    def __init__(self, *, signals: bool = False) -> None:
        self.stopped = False
        self._ours, self._theirs = socket.socketpair()
        for end in (self._ours, self._theirs):
            end.setblocking(False)
        self._before: dict[int, object] = {}
        self._fd_before = -1
        if signals:
            self._fd_before = signal.set_wakeup_fd(self._theirs.fileno(), warn_on_full_buffer=False)
            for number in (signal.SIGTERM, signal.SIGINT):
                self._before[number] = signal.signal(number, self._on_stop)
            self._before[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, lambda *_: None)

    def _on_stop(self, *_: object) -> None:
        self.stopped = True

    def stop(self) -> None:
        """End the agent from another thread."""
        self.stopped = True
        with suppress(OSError):
            self._theirs.send(b"\0")

    def sleep(self, seconds: float) -> None:
        """Sleep so long, or until a signal or `stop`."""
        if not self.stopped:
            select.select([self._ours], [], [], max(0.0, seconds))
        with suppress(BlockingIOError):
            while self._ours.recv(4096):
                pass

    def close(self) -> None:
        """Give the signals back."""
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
        if self._before:
            signal.set_wakeup_fd(self._fd_before)
        self._ours.close()
        self._theirs.close()


class Pace:
    """When to speak next: the platform's interval, or ever longer while it does not answer."""

    def __init__(self, chance: Callable[[], float] = random.random) -> None:
        self._chance = chance
        self._failures = 0

    def after_success(self, interval_ms: int) -> float:
        """Seconds to wait; 10 % either way, so that two hundred agents do not speak at once."""
        self._failures = 0
        return interval_ms / 1000 * (0.9 + 0.2 * self._chance())

    def after_failure(self) -> float:
        """Seconds to wait: 1, 2, 4 … 60, of which a random half is taken off."""
        longest = min(LONGEST_BACK_OFF_SECONDS, FIRST_BACK_OFF_SECONDS * 2.0**self._failures)
        self._failures = min(self._failures + 1, 16)
        return longest * (0.5 + 0.5 * self._chance())


def boot_seconds() -> float:
    """Seconds that never jump and go on while the machine sleeps: a lease does not wait for it."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def open_engine(config: AgentConfig, *, now: Callable[[], datetime]) -> OpenEngine:
    """The engine that a configuration names.

    Raises:
        EngineUnreachable, EngineRefused: it cannot be used.
    """
    if config.slurm is not None:
        return SlurmEngine(config.slurm, now=now, cluster=config.cluster, images=config.images)
    folder = config.folder / "engine"
    if (told := config.kubernetes) is not None:
        return KubernetesEngine(
            folder, told.access(), told.rules(), now=now, cluster=config.cluster
        )
    if config.ray is not None:
        return RayEngine(folder, config.ray.access(), now=now, cluster=config.cluster)
    return EmbeddedEngine(
        config.folder / "engine",
        config.nodes,
        now=now,
        cluster=config.cluster,
        job_user=config.job_user,
        images=config.images,
    )


def run_agent(
    config: AgentConfig,
    *,
    now: Callable[[], datetime],
    alarm: Alarm | None = None,
) -> None:
    """Serve one centre until SIGTERM or SIGINT. Jobs go on without the agent.

    Args:
        now: the platform's business clock as far as this machine can tell it, aware.
        alarm: given to stop the agent from another thread.

    Raises:
        NotEnrolled, KeyExposed, StateInUse, EngineUnreachable, EngineRefused: it cannot begin.
    """
    with ExitStack() as closing:
        key = load_key(config.folder)
        alarm = alarm or Alarm(signals=True)
        closing.callback(alarm.close)
        journal = Journal(config.folder)
        closing.callback(journal.close)
        engine = open_engine(config, now=now)
        closing.callback(engine.close)
        transport = HttpTransport(
            server=config.server, centre=config.centre, key=key, boot=journal.boot, now=now
        )
        closing.callback(transport.close)
        agent = Agent(
            config.folder,
            engine,
            transport,
            now,
            boot_seconds,
            agent_version=agent_version(),
            keep_seconds=config.keep_log_days * 86_400,
            journal=journal,
        )
        log.info("agent.started", centre=config.centre, server=config.server, boot=journal.boot)
        closing.callback(log.info, "agent.stopped", centre=config.centre)
        serve(agent, alarm)


def run_agents(configs: Sequence[AgentConfig], *, now: Callable[[], datetime]) -> None:
    """Serve several centres from one process, all or none.

    When one agent cannot begin or dies, the others are stopped too and its error is raised: a
    process that serves half of its centres looks healthy to whoever watches it. Jobs go on.

    Raises:
        What `run_agent` raises, for the first agent that ended with an error.
    """
    alarms = [Alarm(signals=number == 0) for number in range(len(configs))]
    errors: list[BaseException] = []

    def one(config: AgentConfig, alarm: Alarm) -> None:
        try:
            run_agent(config, now=now, alarm=alarm)
        except BaseException as error:  # noqa: BLE001 - raised below, in the main thread
            errors.append(error)
            log.error("agent.died", centre=config.centre, problem=str(error))  # noqa: TRY400
        finally:
            for each in alarms:
                each.stop()

    threads = [
        threading.Thread(target=one, args=pair, name=pair[0].centre)
        for pair in zip(configs[1:], alarms[1:], strict=True)
    ]
    for thread in threads:
        thread.start()
    one(configs[0], alarms[0])
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def serve(agent: Agent, alarm: Alarm, pace: Pace | None = None) -> None:
    """Rounds for ever, at the platform's pace."""
    pace = pace or Pace()
    while not alarm.stopped:
        try:
            agent.step()
            wait = pace.after_success(agent.interval_ms)
        except (PlatformUnreachable, PlatformRefused) as error:
            wait = pace.after_failure()
            log.warning("platform.not_heard", problem=error.explain(), again_seconds=round(wait, 1))
        _between(agent, alarm, wait)


def _between(agent: Agent, alarm: Alarm, seconds: float) -> None:
    """Wait for the next round; meanwhile ended jobs make room for queued ones."""
    until = time.monotonic() + seconds
    while not alarm.stopped and (left := until - time.monotonic()) > 0:
        asleep = time.monotonic()
        alarm.sleep(min(left, LOOK_SECONDS) if agent.busy else left)
        if agent.busy and not alarm.stopped:
            # Children that end together are looked at together.
            early = LOOK_AT_MOST_EVERY_SECONDS - (time.monotonic() - asleep)
            if early > 0:
                time.sleep(min(early, max(0.0, until - time.monotonic())))
            agent.look()
