"""The envelope of an agent's message: what is signed, and under which header names.

The agent signs with Ed25519 over these bytes, so neither path, body, centre nor place in the
sequence can be changed or played back. Signing itself needs a library and lives with the sides.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

CENTRE = "X-Jinsuan-Centre"
BOOT = "X-Jinsuan-Boot"
SEQUENCE = "X-Jinsuan-Sequence"
TIME = "X-Jinsuan-Time"
SIGNATURE = "X-Jinsuan-Signature"

MAX_SKEW_SECONDS = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """What surrounds one message.

    Args:
        centre: the centre's code, such as "C01".
        boot: grows with every start of the agent, kept in its own folder.
        sequence: grows with every message of one boot.
        time: whole Unix seconds when it was sent.
    """

    method: str
    path: str
    centre: str
    boot: int
    sequence: int
    time: int

    def signing_bytes(self, body: bytes) -> bytes:
        """One line per part; no part may contain a line break, so lines cannot be moved."""
        parts = (
            "jinsuan-agent-v1",
            self.method,
            self.path,
            hashlib.sha256(body).hexdigest(),
            self.centre,
            str(self.boot),
            str(self.sequence),
            str(self.time),
        )
        assert not any("\n" in part for part in parts), parts
        return "\n".join(parts).encode()
