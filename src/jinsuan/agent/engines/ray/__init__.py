"""Ray as a centre's scheduler, over its Jobs REST API: for few and long jobs on one node each."""

from __future__ import annotations

from jinsuan.agent.engines.ray.client import RayAccess
from jinsuan.agent.engines.ray.engine import RayEngine

__all__ = ["RayAccess", "RayEngine"]
