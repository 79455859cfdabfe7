"""Accounts: who may come in, and what he gets.

`credentials` are shown, `checkers` say whose they are, a `Portal` brings them together, and a `Realm` gives the
avatar. None of it knows Perspective Broker but `pbshell.cred.login`, which is PB's own login for both sides.
"""

from __future__ import annotations

from pbshell.cred.checkers import (
    ANONYMOUS,
    AllowAnonymousAccess,
    AvatarId,
    FilePasswordDB,
    ICredentialsChecker,
    InMemoryUsernamePasswordDatabaseDontUse,
)
from pbshell.cred.credentials import (
    Anonymous,
    ChallengeResponse,
    IAnonymous,
    ICredentials,
    IUsernameHashedPassword,
    IUsernameMD5Password,
    IUsernamePassword,
    UsernamePassword,
)
from pbshell.cred.portal import Login, Portal, Realm, realm

__all__ = [
    "ANONYMOUS",
    "AllowAnonymousAccess",
    "Anonymous",
    "AvatarId",
    "ChallengeResponse",
    "FilePasswordDB",
    "IAnonymous",
    "ICredentials",
    "ICredentialsChecker",
    "IUsernameHashedPassword",
    "IUsernameMD5Password",
    "IUsernamePassword",
    "InMemoryUsernamePasswordDatabaseDontUse",
    "Login",
    "Portal",
    "Realm",
    "UsernamePassword",
    "realm",
]
