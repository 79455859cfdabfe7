"""Everything the shell can do, without a terminal: commands take arguments and give data."""
