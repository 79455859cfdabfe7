"""What is said of a server, on the command line or behind `:connect`, over its profile. Opens no connection."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

from pbshell.broker.flavors import Referenceable
from pbshell.cred import Anonymous, UsernamePassword
from pbshell.errors import UsageError
from pbshell.wire.text import visible
from pbshell.workbench.reaching.passwords import NoPassword
from pbshell.workbench.reaching.plan import Plan
from pbshell.workbench.reaching.profiles import Profile, load, mind_of

__all__ = ["PATIENCE", "asked", "plan_of", "profile_of"]

#: seconds for connection and login
PATIENCE = 10.0

_FIELDS = ("user", "anonymous", "tls_ca", "tls_cert", "tls_key", "tls_name", "mind", "as_name", "timeout", "trace")


def profile_of(target: str, given: Mapping[str, Any]) -> Profile:
    """All that is known of *target*: by its profile if it is ``@NAME``, and over that by the options *given*.

    Its name is empty if it is none. Raises UsageError.
    """
    profile = load(target) if target.startswith("@") else Profile(target=target)
    said = {name: given[name] for name in _FIELDS if given.get(name)}
    if given.get("password_env") is not None:
        said["password"] = f"env:{given['password_env']}"
    if given.get("password_file") is not None:
        said["password"] = f"file:{given['password_file']}"
    if given.get("ask"):
        said["password"] = "ask"
    if said.get("anonymous"):
        said |= {"user": "", "password": ""}
    elif "user" in said:
        said = {"anonymous": False, "password": profile.password if said["user"] == profile.user else "", **said}
    return replace(profile, **said)


async def plan_of(
    profile: Profile,
    ask: Callable[[str], Awaitable[str]] | None,
    namespace: dict[str, Any],
    *,
    credentials: Any = None,
    mind: Any = None,
) -> Plan:
    """How to connect by *profile*, with other *credentials* or another *mind* if they are given.

    A mind that is Python is made in *namespace*. Raises UsageError, NoPassword.
    """
    endpoint = profile.endpoint()
    if mind is None and profile.mind:
        mind = mind_of(profile.mind, namespace)
    if mind is not None and not isinstance(mind, Referenceable):
        raise UsageError(f"{visible(repr(mind), 100)} is no pb.Referenceable: a server could not call it")
    if credentials is None:
        credentials = await asked(profile, ask)
    user = profile.user or ("anonymous" if profile.anonymous else "")
    options = {"tls_name": profile.tls_name or None}
    return Plan(endpoint, credentials, user, profile.timeout or PATIENCE, mind, options)


async def asked(profile: Profile, ask: Callable[[str], Awaitable[str]] | None) -> Any:
    """The credentials of *profile*, None for no login; *ask* gets what is typed. Raises UsageError, NoPassword."""
    if profile.anonymous:
        return Anonymous()
    if not profile.user or profile.password not in ("", "ask") or ask is None:
        return profile.credentials(None)
    try:
        password = await ask(f"Password of {visible(profile.user, 40)}: ")
    except EOFError:
        raise NoPassword("no password was given") from None
    return UsernamePassword(profile.user, password)
