"""How servers are named, reached and started: targets, profiles, passwords; and how the connections stand."""
