"""The money book and the audit book. Knows no people, no jobs, and not why money moves."""
