"""The terminal, and nothing but the terminal: what the workbench gives is shown here."""
