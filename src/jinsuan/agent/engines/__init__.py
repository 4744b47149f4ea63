"""Adapters to the schedulers that centres already run, and one of our own for those without."""
