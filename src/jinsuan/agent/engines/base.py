"""An engine (调度引擎) as the agent sees it: five verbs, two refusals, nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from jinsuan.protocol.messages import Lease, Observation, Offer


class Engine(Protocol):
    """A centre's scheduler.

    Adapters translate and nothing else: no policy and no retries. Every verb may raise
    EngineUnreachable (ask again) or EngineRefused (do not), and no other refusal.
    `tests/contracts/engine.py` runs the same checks against every adapter and the fake.
    """

    name: str

    def offers(self) -> Sequence[Offer]:
        """Free capacity now, one offer per cluster."""

    def submit(self, lease: Lease) -> None:
        """Hand over the work under `lease.engine_key`. The same key twice never starts twice.

        After EngineUnreachable the result is unknown: look with `observe`, then submit the same key.
        """

    def observe(self, keys: Sequence[str]) -> Sequence[Observation]:
        """What the engine knows of these keys, with the nodes and cards it gave them.

        A key that the engine never saw is left out.
        """

    def cancel(self, key: str, *, grace_seconds: int) -> None:
        """Ask the work to stop, and end it for good after so many seconds.

        An unknown or finished key is no error, and neither is a second cancel.
        """

    def read_log(self, key: str, *, offset: int, limit: int) -> bytes:
        """Up to `limit` bytes of the output from byte `offset`; empty when there are none."""


@runtime_checkable
class Forgets(Protocol):
    """An engine that can drop what it keeps of a finished key, such as its log."""

    def forget(self, key: str) -> None:
        """Drop logs and folders of a finished key; the key itself stays used for ever."""


@runtime_checkable
class Fences(Protocol):
    """An engine that may forget what it accepted, and yet start it: it needs a fence of its own."""

    def fence(self, key: str) -> bool:
        """Keep a key from ever beginning, for good. False when it has begun, or may have.

        Asked before a key that the engine may have heard of is called never started.
        """


class OpenEngine(Engine, Protocol):
    """An engine as the agent holds it."""

    def close(self) -> None:
        """Let go of it. The work goes on."""
