"""Real schedulers on this machine, for tests: loopback only, own folder, own ports, always ended."""
