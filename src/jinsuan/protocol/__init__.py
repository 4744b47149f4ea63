"""The messages between tenant, platform and centre. Standard library only, no transport."""
