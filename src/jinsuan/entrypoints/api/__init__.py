"""The HTTP API: `/api/v1` for people's programs, `/agent/v1` for centres' agents.

A view parses, calls one action or query, and shows. Nothing here decides anything.
"""
