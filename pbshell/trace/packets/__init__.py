"""Packets: how they lie in a file, what they carry, and the streams they are the pieces of."""
