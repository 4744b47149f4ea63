"""The attempts this agent still has to speak of: in memory, with the journal behind them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from jinsuan.agent.attempt import Attempt
from jinsuan.agent.journal import Journal


class Book:
    """All open attempts. A change is `note`d, and on the disk after the next `flush`."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._open = {a.attempt: a for a in journal.open_attempts()}
        self._jobs: dict[str, set[str]] = {}
        self._noted: dict[str, Attempt] = {}
        for attempt in self._open.values():
            self._jobs.setdefault(attempt.job, set()).add(attempt.attempt)
            if attempt.acked < attempt.revision:
                # What was sent before may have said less under the same number.
                attempt.touch()
                self.note(attempt)
        self.flush()

    def __iter__(self) -> Iterator[Attempt]:
        return iter(self._open.values())

    def __len__(self) -> int:
        return len(self._open)

    def open(self, name: str) -> Attempt | None:
        """An attempt that is still spoken of."""
        return self._open.get(name)

    def find(self, name: str) -> Attempt | None:
        """An attempt that ever came here; a settled one is taken up again."""
        attempt = self._open.get(name) or self._journal.find(name)
        if attempt is not None and name not in self._open:
            self._add(attempt)
        return attempt

    def add(self, attempt: Attempt) -> None:
        """A new attempt."""
        self._add(attempt)
        self.note(attempt)

    def _add(self, attempt: Attempt) -> None:
        self._open[attempt.attempt] = attempt
        self._jobs.setdefault(attempt.job, set()).add(attempt.attempt)

    def siblings(self, attempt: Attempt) -> list[Attempt]:
        """Other open attempts of the same job."""
        names = self._jobs.get(attempt.job, set()) - {attempt.attempt} if attempt.job else set()
        return [self._open[name] for name in names]

    def largest_fencing(self, job: str) -> int:
        """The largest token seen for a job."""
        here = (self._open[name].fencing for name in self._jobs.get(job, ()))
        return max(self._journal.largest_fencing(job), *here, 0)

    def note(self, attempt: Attempt) -> None:
        """This attempt has changed."""
        self._noted[attempt.attempt] = attempt

    def flush(self) -> None:
        """Everything noted is on the disk when this returns."""
        self._journal.save(self._noted.values())
        self._noted.clear()

    def settle(self, attempts: list[Attempt], *, now: datetime) -> None:
        """Nothing is left to be told about these."""
        self._journal.save(attempts, settled_at=now)
        for attempt in attempts:
            self._noted.pop(attempt.attempt, None)
            del self._open[attempt.attempt]
            names = self._jobs[attempt.job]
            names.discard(attempt.attempt)
            if not names:
                del self._jobs[attempt.job]
