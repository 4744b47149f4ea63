"""The only writers of casework, by noun."""
