"""What somebody types that is Python: how it runs, what it calls, and what comes of it."""
