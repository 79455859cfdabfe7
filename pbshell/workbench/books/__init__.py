"""The tables of connections: what is lent and cached, who holds it, how full it is, how it was and how it grows."""
