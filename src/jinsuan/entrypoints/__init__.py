"""What the world meets: pages, API, commands, timers. They parse, call one action or query, and show."""
