"""The embedded engine (内置引擎): for a centre without a scheduler, and for trying everything out."""

from __future__ import annotations

from jinsuan.agent.engines.embedded.engine import EmbeddedEngine
from jinsuan.agent.engines.embedded.room import VirtualNode

__all__ = ["EmbeddedEngine", "VirtualNode"]
