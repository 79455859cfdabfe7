"""Bytes, verbs and bookkeeping of Perspective Broker: no objects, no clock, no sockets.

The low floor, for those who build tools: `banana` turns s-expressions into bytes and back, `verbs` says what an
s-expression asks for, `grammar` finds what it lends, `ledger` keeps the books.
"""
