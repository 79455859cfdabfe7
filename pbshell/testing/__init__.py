"""The kit given to users: Perspective Broker tested without a network."""

from pbshell.testing.loopback import Loopback, loopback

__all__ = ["Loopback", "loopback"]
