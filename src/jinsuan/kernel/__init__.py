"""Words everyone shares: money, time, quantities, people and things, refusals. Knows no table."""
