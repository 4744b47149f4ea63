"""A step of a path and its facts, as values. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from jinsuan.kernel.period import BEIJING
from jinsuan.kernel.ref import Ref

Facts = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of the path: its title, the thing it speaks of, and facts as label and words."""

    number: int
    title: str
    ref: Ref | None
    facts: Facts


@dataclass(frozen=True, slots=True, kw_only=True)
class Path:
    """From one transfer back to its basis."""

    ref: Ref
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Part:
    """A step before it has its number."""

    title: str
    ref: Ref | None
    facts: Facts


def numbered(parts: list[Part], *, after: int = 0) -> tuple[Step, ...]:
    """The parts as steps, counted on from the last number."""
    return tuple(
        Step(number=n, title=part.title, ref=part.ref, facts=part.facts)
        for n, part in enumerate(parts, start=after + 1)
    )


def spoken_time(instant: datetime) -> str:
    """An instant as Beijing reads it."""
    return f"{instant.astimezone(BEIJING):%Y-%m-%d %H:%M:%S}"
