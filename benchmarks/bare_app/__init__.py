"""The tables of the yardstick."""
