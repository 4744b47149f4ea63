"""Look at one rank: begun, still there, ended with a code, or gone without one."""

from __future__ import annotations

import signal
from pathlib import Path

from jinsuan.agent.engines.embedded.folder import JobFolder, Mark
from jinsuan.agent.engines.embedded.process import (
    child_has_ended,
    find_tagged,
    is_tagged,
    signal_group,
)
from jinsuan.agent.engines.embedded.run import Rank

CLAIM_WRITTEN_NS = 10 * 10**9
"""A claim is made and written by two steps of one shim; after this long it died in between."""
FULL_LOOK = 16
"""An adopted process is checked by number each time, and by its environment each so many times."""


def look(rank: Rank, folder: JobFolder, now_ns: int) -> bool:
    """Bring a rank that has not ended up to date.

    Returns:
        Whether it has not begun, and nothing is on the way to begin it.
    """
    if rank.child is not None:
        if not child_has_ended(rank.child):
            rank.seen_ns = now_ns
            if rank.started_ns is None:
                _note_start(rank, folder.claim(rank.number), now_ns)
            return False
        rank.child = None
        rank.tries += 1
    if rank.adopted is not None:
        _look_at_process(rank, rank.adopted, folder, now_ns)
    elif claim := folder.claim(rank.number):
        _note_start(rank, claim, now_ns)
        if claim.number:
            _look_at_process(rank, claim.number, folder, now_ns)
        elif now_ns - claim.at_ns > CLAIM_WRITTEN_NS:
            for pid in find_tagged(folder.tag(rank.number)):
                signal_group(pid, folder.tag(rank.number), signal.SIGKILL)
            lose(rank, now_ns)
    else:
        return True
    return False


def _look_at_process(rank: Rank, pid: int, folder: JobFolder, now_ns: int) -> None:
    if _has_code(rank, folder, now_ns):
        return
    if _is_alive(rank, pid, folder):
        rank.adopted, rank.seen_ns = pid, now_ns
    elif not _has_code(rank, folder, now_ns):  # it may have been written since the first look
        lose(rank, now_ns)


def _note_start(rank: Rank, claim: Mark | None, now_ns: int) -> None:
    if claim is not None and rank.started_ns is None:
        rank.started_ns = min(claim.at_ns, now_ns)


def _has_code(rank: Rank, folder: JobFolder, now_ns: int) -> bool:
    code = folder.code(rank.number)
    if code is None:
        return False
    assert rank.started_ns is not None
    if rank.adopted is not None:
        signal_group(rank.adopted, folder.tag(rank.number), signal.SIGKILL)  # what it left behind
    rank.code = code.number
    # A job that runs as the agent's own user could touch the file: it cannot have ended before it
    # was last seen, nor after now.
    rank.ended_ns = max(rank.started_ns, rank.seen_ns, min(code.at_ns, now_ns))
    rank.adopted = None
    return True


def _is_alive(rank: Rank, pid: int, folder: JobFolder) -> bool:
    rank.looks += 1
    if rank.adopted is None or rank.looks % FULL_LOOK == 0:
        return is_tagged(pid, folder.tag(rank.number))
    return Path(f"/proc/{pid}").exists()


def lose(rank: Rank, now_ns: int) -> None:
    """It had begun, or may have, and nothing is left of it."""
    rank.lost, rank.adopted = True, None
    # Never later than it was known to live: nobody pays for what an absent supervisor did not see.
    rank.ended_ns = min(now_ns, max(rank.started_ns or 0, rank.seen_ns or rank.last_ns))
