"""Replays of public traces against placement policies."""
