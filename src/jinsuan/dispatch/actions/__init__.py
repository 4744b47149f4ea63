"""The only writers of dispatch, one module per moment of a job's life."""

from __future__ import annotations

from jinsuan.dispatch.actions.order import cancel, submit
from jinsuan.dispatch.actions.place import place_queued
from jinsuan.dispatch.actions.settle import keep_funded, settle
from jinsuan.dispatch.actions.sync import agent_actor, sync
from jinsuan.dispatch.actions.usage_files import book_next, take_usage_file
from jinsuan.dispatch.actions.watch import mark_silent

__all__ = [
    "agent_actor",
    "book_next",
    "cancel",
    "keep_funded",
    "mark_silent",
    "place_queued",
    "settle",
    "submit",
    "sync",
    "take_usage_file",
]
