"""Timers: place, settle, watch. Every tick is restartable and may run on several machines."""
