"""What somebody once asked a cluster for (a pod of the trace), and the order that asks us for it.

A pod without `gpu_spec` takes any card model: the order lists every model of the province as an
alternative. Its life is divided by `speed`, so that five months pass in a minute or two.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from jinsuan.entrypoints.replay.errors import ReplayDataBad
from jinsuan.entrypoints.replay.rows import Row, numbered, whole, word
from jinsuan.kernel.quantity import show_milli

WHOLE_CARD = 1000
MAX_DURATION = "10m"
"""What every order names as its longest running time; the longest scaled life is far below it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pod:
    """One request of the trace.

    Args:
        cards: how many cards; `card_milli` thousandths of each, below 1,000 only for one card.
        models: card models it accepts; empty means any.
        life_seconds: from its start, or from its creation where it never started, to its deletion.
    """

    name: str
    cpu_milli: int
    memory_mib: int
    cards: int
    card_milli: int
    models: tuple[str, ...]
    life_seconds: int
    created_seconds: int

    @property
    def kind(self) -> str:
        """What it is counted as."""
        if not self.cards:
            return "只要处理器"
        if self.card_milli < WHOLE_CARD:
            return "一张卡的一份"
        return "一张整卡" if self.cards == 1 else "多张整卡"


def read_pods(rows: Iterable[Row], *, file: str) -> list[Pod]:
    """All pods, in the order in which they were asked for.

    Raises:
        ReplayDataBad: with file and line.
    """
    pods = [_pod(row, file, line) for line, row in numbered(rows)]
    return sorted(pods, key=lambda pod: (pod.created_seconds, pod.name))


def _pod(row: Row, file: str, line: int) -> Pod:
    def number(column: str, default: int | None = None) -> int:
        return whole(row, column, file=file, line=line, default=default)

    cards, card_milli = number("num_gpu"), number("gpu_milli")
    if cards and not 0 < card_milli <= WHOLE_CARD:
        raise ReplayDataBad(file, line, f"的 gpu_milli 应为 1 至 1000，却是 {card_milli}")
    if cards > 1 and card_milli != WHOLE_CARD:
        raise ReplayDataBad(file, line, f"要 {cards} 张卡，每张只要 {card_milli}/1000")
    created = number("creation_time", 0)
    began = number("scheduled_time", created)
    specs = (row.get("gpu_spec") or "").split("|") if cards else []
    return Pod(
        name=word(row, "name", file=file, line=line),
        cpu_milli=number("cpu_milli"),
        memory_mib=number("memory_mib"),
        cards=cards,
        card_milli=card_milli if cards else WHOLE_CARD,
        models=tuple(spec.strip() for spec in specs if spec.strip()),
        life_seconds=max(0, number("deletion_time", began) - began),
        created_seconds=created,
    )


def sample(pods: Sequence[Pod], count: int) -> list[Pod]:
    """So many pods evenly over the whole trace, so that its mixture stays."""
    if count >= len(pods):
        return list(pods)
    return [pods[i * len(pods) // count] for i in range(count)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How a life is shortened: divided by `speed`, and cut at `longest_seconds`."""

    speed: int
    longest_seconds: int

    def centiseconds(self, life_seconds: int) -> int:
        """How long the stand-in runs, in hundredths of a second."""
        return min(life_seconds * 100 // self.speed, self.longest_seconds * 100)

    def cuts(self, life_seconds: int) -> bool:
        return life_seconds > self.speed * self.longest_seconds


def order_for(pod: Pod, models: Sequence[str], pace: Pace) -> dict[str, Any]:
    """The job specification that asks for what the pod asked for.

    Args:
        models: the province's card models, for a pod that takes any.
    """
    hundredths = pace.centiseconds(pod.life_seconds)
    resources: dict[str, Any] = {
        "cpus": show_milli(max(1, pod.cpu_milli)),
        "memory": f"{max(1, pod.memory_mib)}MiB",
    }
    if pod.cards:
        size = show_milli(pod.cards * pod.card_milli)
        resources["accelerators"] = [f"{model}:{size}" for model in pod.models or models]
    return {
        "name": pod.name,
        "run": f"sleep {hundredths // 100}.{hundredths % 100:02d}",
        "resources": resources,
        "max_duration": MAX_DURATION,
        "labels": {"trace": "openb"},
    }
