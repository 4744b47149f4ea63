"""How much was used and what it costs."""
