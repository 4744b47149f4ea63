"""Who pays: compute vouchers (算力券) first, up to their cap, then cash."""
