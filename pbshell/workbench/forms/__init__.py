"""What commands give, and what becomes of it: rows, JSON, pipes, times."""
