"""What a whole capture shows: figures, what differs between two, and a report."""
