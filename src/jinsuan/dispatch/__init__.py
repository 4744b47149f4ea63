"""Run a job: queue, placement, leases, attempts, settlement."""
