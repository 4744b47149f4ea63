"""Timers and queues."""
