"""The user's side: a typed client of the API. No Django."""
