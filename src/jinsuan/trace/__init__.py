"""From any fen back to its cause: joins what every room says of its own things."""
