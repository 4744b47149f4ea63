"""Settings, addresses, logging: how the process is put together."""
