"""Measurements that anybody can repeat: `./run bench`. Figures stand in docs/reference/performance.md."""
