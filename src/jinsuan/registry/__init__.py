"""Who is who, what stands where, who may see what."""
