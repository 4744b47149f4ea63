"""The pages: parse a request, call one action or query, show what came back in Chinese."""
