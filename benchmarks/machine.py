"""What the figures were measured on, and how busy it was with other things."""

from __future__ import annotations

import os
import platform
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any


def machine() -> dict[str, Any]:
    """Processor, cores, memory, system; without the machine's name."""
    model = "unknown"
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "processor": model,
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(memory, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "argv": sys.argv[1:],
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "load_1min": round(os.getloadavg()[0], 2),
    }


class Neighbours:
    """How many cores other work used meanwhile: what is busy in all, less what we used."""

    def __init__(self) -> None:
        self._wall, self._busy = time.monotonic(), _busy_seconds()

    def cores(self, ours_ms: float) -> float:
        """Cores that were busy with something else since this was made."""
        wall = time.monotonic() - self._wall
        return max(0.0, (_busy_seconds() - self._busy - ours_ms / 1000) / max(0.01, wall))


def _busy_seconds() -> float:
    path = Path("/proc/stat")
    if not path.exists():
        return 0.0
    user, nice, system, _idle, _wait, irq, soft, *_ = map(
        int, path.read_text().split("\n", 1)[0].split()[1:]
    )
    return (user + nice + system + irq + soft) / os.sysconf("SC_CLK_TCK")
