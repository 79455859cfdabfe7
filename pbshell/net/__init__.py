"""Connections: asyncio, sockets and TLS appear here and not before. The modules know the rest; see `pbshell.pb`."""
