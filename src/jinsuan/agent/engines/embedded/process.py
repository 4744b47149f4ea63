"""Start, watch and stop the process group of one rank. Only what the kernel knows; no tables."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

SHIM = r"""trap 's=1' TERM INT HUP
set -C
umask 022
cd "$1" || exit 1
n=$2
shift 2
echo $$ >"claim.$n" || exit 0
if [ -z "$s" ]; then (cd work && exec "$@"); r=$?; else r=143; fi
echo "$r" >"rc.$n"
"""
"""The parent of every rank, and the leader of its process group.

`set -C` makes the first `>` fail when the file is there (O_EXCL), so of two shims of one rank one
gives way; that is what makes a start happen once, whatever died in between. The trap keeps the
shim alive through a polite stop, so that it can write down how the work ended; the subshell gets
the default action back. A stop that comes before the work has begun is remembered in `s`.
"""

TAG = "JINSUAN_TAG"
SAFE_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_RESET = [
    getattr(signal, name)
    for name in ("SIGPIPE", "SIGTERM", "SIGINT", "SIGHUP", "SIGCHLD", "SIGXFSZ", "SIGUSR1")
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """The system user that jobs run as.

    Args:
        drop: the words in front of a command that give the agent's rights up.
    """

    name: str
    owner: tuple[int, int]
    drop: tuple[str, ...]


def account(name: str | None) -> Account | None:
    """Who runs the jobs: None means the agent's own user, which is all an ordinary user can have.

    Raises:
        LookupError: there is no such user, or `setpriv` (util-linux) is missing.
    """
    if os.geteuid() != 0 or name is None or name == "root":
        return None
    setpriv = shutil.which("setpriv", path=SAFE_PATH)
    if setpriv is None:
        raise LookupError("setpriv")
    entry = pwd.getpwnam(name)  # KeyError is a LookupError
    ids = (f"--reuid={entry.pw_uid}", f"--regid={entry.pw_gid}")
    # A named user may need its groups to open the cards; nobody shall have none.
    groups = "--clear-groups" if name == "nobody" else "--init-groups"
    drop = (setpriv, *ids, groups, "--no-new-privs", "--inh-caps=-all")
    return Account(name=name, owner=(entry.pw_uid, entry.pw_gid), drop=drop)


def shell() -> str:
    """What runs a script without a `#!` line: bash, as tenants expect, or else sh."""
    return shutil.which("bash", path=SAFE_PATH) or "/bin/sh"


def machine() -> str:
    """Changes with every boot of the machine, so no process outlives a change of it."""
    return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()


def spawn(
    folder: str, rank: int, command: Sequence[str], env: Mapping[str, str], *, log: str
) -> int:
    """Start a shim in a session of its own and return its process id.

    Raises:
        OSError: the machine has no process or no memory left.
    """
    argv = ["/bin/sh", "-c", SHIM, "jinsuan-job", folder, str(rank), *command]
    return os.posix_spawn(
        "/bin/sh",
        argv,
        dict(env),
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, log, os.O_WRONLY | os.O_APPEND, 0),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
        setsigdef=_RESET,
        setsigmask=[],
    )


def child_has_ended(pid: int) -> bool:
    """Whether our own child is gone; if so, what it left running in its group is killed too.

    The group is killed before the child is reaped: until then nobody else can get its number.
    """
    try:
        if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            return False
    except ChildProcessError:
        return True
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
    with suppress(ChildProcessError):
        os.waitpid(pid, 0)
    return True


def is_tagged(pid: int, tag: str) -> bool:
    """Whether a process was started with this environment entry: proof against reused numbers.

    False for a zombie, which has no environment any more.
    """
    try:
        return tag.encode() in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return False


def find_tagged(tag: str) -> list[int]:
    """Every process with this environment entry. Reads all of /proc: for rare cases only."""
    return [pid for pid, entry in _entries(tag.encode()) if entry == tag]


def tagged_below(root: str) -> Iterator[tuple[int, str]]:
    """Every process of a job below this folder, with the job's key. Reads all of /proc."""
    head = f"{TAG}={root}/"
    for pid, entry in _entries(head.encode()):
        yield pid, entry[len(head) :].partition("#")[0]


def _entries(head: bytes) -> Iterator[tuple[int, str]]:
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            environ = (folder / "environ").read_bytes()
        except OSError:
            continue
        for entry in environ.split(b"\0"):
            if entry.startswith(head):
                yield int(folder.name), entry.decode(errors="replace")


def signal_group(pid: int, tag: str, number: int) -> None:
    """Signal the group that `pid` leads, or that what it left behind is still in.

    While a group has members its number is not given away, so a number without a process can only
    be our own rest; a number with a stranger's process is left alone.
    """
    if not is_tagged(pid, tag) and Path(f"/proc/{pid}").exists():
        return
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)
