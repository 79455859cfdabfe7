"""Objects over PB: what we lend, what we hold, and the Broker between them. Knows no sockets, no clock, no loop.

The low floor, for those who carry PB over something else than asyncio's connections; everybody else uses `pbshell.pb`.
"""

from pbshell.broker.broker import Broker, Link, current_connection
from pbshell.wire.text import visible

__all__ = ["Broker", "Link", "current_connection", "visible"]
