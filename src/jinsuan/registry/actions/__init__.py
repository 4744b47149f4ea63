"""The only writers of the registry, one module per noun."""
