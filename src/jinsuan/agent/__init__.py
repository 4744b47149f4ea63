"""The centre's side: leases in, reports out, outbound HTTPS only. No Django."""
