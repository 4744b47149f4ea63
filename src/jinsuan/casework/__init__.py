"""Casework: cases, moves, decisions, findings, evidence files, notices, payment batches (案件办理)."""
