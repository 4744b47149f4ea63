"""What the platform has promised to be at least as quick as."""

from __future__ import annotations

CPU_MS_PER_JOB = 50
"""Processor milliseconds per settled job over the whole path, all processes, 20 agents."""
SHARE_OF_BARE = 0.70
"""Requests per second of GET of a job, as a share of the bare stack's in the same run."""
USAGE_SECONDS = 180
"""A million readings of a file rated, captured and stated."""
USAGE_MIB = 2048
"""Peak memory meanwhile, of the client and of its PostgreSQL process together."""
