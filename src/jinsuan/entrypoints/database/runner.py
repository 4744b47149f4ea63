"""Who PostgreSQL runs as. It refuses root, so root hands over to `postgres` or `nobody`.

Only the child process changes its user. Nobody's account is created and no folder is opened up.
"""

from __future__ import annotations

import os
import pwd
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from jinsuan.entrypoints.database.errors import RootNotDropped

_USERS = ("postgres", "nobody")


@dataclass(frozen=True, slots=True)
class Runner:
    """The user that owns the data files and runs the server."""

    uid: int
    gid: int
    name: str
    dropped: bool
    """True when we are root and step down."""

    def run(
        self, command: Sequence[str | Path], *, env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run to the end as this user, with English messages and a clean environment."""
        try:
            return subprocess.run(
                [str(part) for part in command],
                user=self.uid if self.dropped else None,
                group=self.gid if self.dropped else None,
                extra_groups=[] if self.dropped else None,
                cwd="/",
                env=plain_environment() | dict(env or {}),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                encoding="utf-8",
                errors="replace",
                umask=0o077,
                check=False,
            )
        except subprocess.SubprocessError as error:  # setuid was refused in the child
            raise RootNotDropped(self.name) from error

    def can_enter(self, folder: Path) -> bool:
        """Whether this user can reach the folder through all its parents."""
        return self.run(["/bin/sh", "-c", 'cd -- "$1"', "sh", folder]).returncode == 0

    def own(self, path: Path) -> None:
        """Give a file or an empty folder to this user."""
        if self.dropped:
            os.chown(path, self.uid, self.gid)


def runner_for(data: Path) -> Runner:
    """Ourselves; for root the owner of existing data, else `postgres`, else `nobody`."""
    if os.geteuid() != 0:
        return Runner(os.geteuid(), os.getegid(), _name(os.geteuid()), dropped=False)
    if data.exists() and (owner := data.stat()).st_uid != 0:
        return Runner(owner.st_uid, owner.st_gid, _name(owner.st_uid), dropped=True)
    for name in _USERS:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Runner(entry.pw_uid, entry.pw_gid, name, dropped=True)
    raise RootNotDropped("nobody")


def plain_environment() -> dict[str, str]:
    """Nothing of the caller's settings (PGPORT, PGDATA, LANG …) may reach PostgreSQL's programs."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
