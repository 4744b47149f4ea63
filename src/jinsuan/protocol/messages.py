"""What an agent and the platform say to each other in one `sync` (docs/reference/agent-protocol.md).

Everything here may arrive twice, late or never, so every message carries what makes a repeat
harmless: a revision, a fencing token, an offset or a cumulative value.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from jinsuan.protocol.states import AttemptState, EndCause

PROTOCOL_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeOffer:
    """One node as the engine sees it now.

    Args:
        model: card model, None on a node without cards.
        cards_free_milli: free thousandths of each card, in card order; its length is the count.
        cpu_milli, memory_mib: what the node has in all; the `_free` fields what is left.
    """

    name: str
    cpu_milli: int
    cpu_free_milli: int
    memory_mib: int
    memory_free_mib: int
    model: str | None = None
    cards_free_milli: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """Free capacity (可用资源) of one cluster, without a price: the centre knows none.

    Args:
        card_share: whether one card may be shared between jobs.
        gang: whether a job may span several nodes, all or none.
    """

    cluster: str
    engine: str
    nodes: tuple[NodeOffer, ...]
    card_share: bool = False
    gang: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeShare:
    """The part of one node that one attempt holds.

    Args:
        cards: indices of the cards held; empty for a job without cards.
        card_milli: thousandths held of each of them: 1,000, or less of exactly one card.
    """

    node: str
    cpu_milli: int
    memory_mib: int
    cards: tuple[int, ...] = ()
    card_milli: int = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What the centre has to run: the part of a job specification that an engine needs.

    Args:
        max_run_seconds: the agent ends the attempt gracefully after this much running time; it
            follows from max_duration and from the money that may be spent.
        envs: names and values, in order, as two tuples of one length.
    """

    name: str
    run: str
    num_nodes: int
    cpu_milli: int
    memory_mib: int
    max_run_seconds: int
    model: str | None = None
    cards: int = 0
    card_milli: int = 1000
    env_names: tuple[str, ...] = ()
    env_values: tuple[str, ...] = ()
    image: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """The right of one agent to run one attempt, until a time.

    Args:
        engine_key: the key under which the engine must know the attempt; the same on every repeat.
        fencing: grows with every lease of the job; the agent ignores all but the largest it saw.
        start_within_seconds: counted from when the agent *sent* the sync that brought the lease;
            after that it must not start the work before asking again.
        nodes: where the platform reserved room; the engine's own choice is what counts.
    """

    attempt: str
    job: str
    number: int
    fencing: int
    engine_key: str
    cluster: str
    start_within_seconds: int
    work: Work
    nodes: tuple[NodeShare, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What an engine says of one key: its state, its own allocation, its own times."""

    engine_key: str
    state: AttemptState
    allocation: tuple[NodeShare, ...] = ()
    started_at: datetime | None = None
    ended_at: datetime | None = None
    exit_code: int | None = None
    cause: EndCause | None = None
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageReading:
    """Cumulative use of one resource by one attempt (读数).

    Args:
        resource: `card:<model>`, `cpu_core` or `memory_gib`.
        milli_unit_seconds: thousandths of a unit times seconds since the attempt began.
    """

    resource: str
    milli_unit_seconds: int
    occurred_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptReport:
    """All that the agent knows of one attempt. Sent again until its revision is acknowledged."""

    attempt: str
    fencing: int
    revision: int
    state: AttemptState
    allocation: tuple[NodeShare, ...] = ()
    started_at: datetime | None = None
    ended_at: datetime | None = None
    exit_code: int | None = None
    cause: EndCause | None = None
    message: str = ""
    usage: tuple[UsageReading, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LogChunk:
    """Bytes of an attempt's output from byte `offset` on."""

    attempt: str
    offset: int
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncRequest:
    """What the agent sends. `offers` is None when nothing changed since the last accepted one."""

    protocol: int
    agent_version: str
    reports: tuple[AttemptReport, ...] = ()
    logs: tuple[LogChunk, ...] = ()
    offers: tuple[Offer, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancel:
    """Please end this attempt: first politely, after `grace_seconds` for good."""

    attempt: str
    fencing: int
    grace_seconds: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """The platform lost sight of this attempt: fence it if it has not begun, and say what is.

    The agent writes down that the attempt must never start, looks into its engine by the key,
    and reports either what the engine knows or `ended / never_started`.
    """

    attempt: str
    fencing: int
    engine_key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ack:
    """The platform has stored this attempt's report up to `revision`, its log up to `log_bytes`."""

    attempt: str
    revision: int
    log_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncResponse:
    """What the platform answers."""

    now: datetime
    interval_ms: int
    usage_interval_ms: int
    leases: tuple[Lease, ...] = ()
    cancels: tuple[Cancel, ...] = ()
    asks: tuple[Ask, ...] = ()
    acks: tuple[Ack, ...] = field(default=())
