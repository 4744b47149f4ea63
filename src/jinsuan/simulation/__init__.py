"""What would happen: the queue and the placement of the platform on traces, without a platform."""
