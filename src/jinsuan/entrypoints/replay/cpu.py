"""How much processor time processes have used, children included, as the kernel counts it."""

from __future__ import annotations

import os
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

_TICK_MS = 1000 // os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Used:
    """Processor time in milliseconds: of a process itself, and of everything below it."""

    own_ms: int = 0
    below_ms: int = 0

    @property
    def all_ms(self) -> int:
        return self.own_ms + self.below_ms

    def __sub__(self, before: Used) -> Used:
        return Used(self.own_ms - before.own_ms, self.below_ms - before.below_ms)


def used(root: int) -> Used:
    """What a process and its descendants have used so far.

    A child that has ended is in its parent's sum once the parent has waited for it; one that still
    runs has a sum of its own. Where there is no /proc, nothing is known and nothing is counted.
    """
    table = _table()
    if root not in table:
        return Used()
    children: dict[int, list[int]] = defaultdict(list)
    for pid, (parent, _, _) in table.items():
        children[parent].append(pid)
    _, own, waited_for = table[root]
    below, todo = waited_for, list(children[root])
    while todo:
        pid = todo.pop()
        below += table[pid][1] + table[pid][2]
        todo += children[pid]
    return Used(own * _TICK_MS, below * _TICK_MS)


def _table() -> dict[int, tuple[int, int, int]]:
    """Every process: parent, own ticks, ticks of children it has waited for."""
    found: dict[int, tuple[int, int, int]] = {}
    if not Path("/proc/self/stat").exists():
        return found
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            # The name in parentheses may hold anything, so count from its end.
            rest = (folder / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()
        except OSError:
            continue
        user, system, waited_user, waited_system = map(int, rest[11:15])
        found[int(folder.name)] = (int(rest[1]), user + system, waited_user + waited_system)
    return found
