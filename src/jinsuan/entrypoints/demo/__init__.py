"""The demo: a small made-up province, a real run of everything, told step by step."""
