"""What the command line says of a server, and where its history is. Opens no connection."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pbshell.workbench.reaching.plan import Plan
    from pbshell.workbench.reaching.profiles import Profile

__all__ = ["history_of", "plan_of", "profile_of"]


def profile_of(options: argparse.Namespace) -> Profile:
    """All that is said of ``options.target``: by its profile if it is ``@NAME``, and by *options* over that.

    Its name is empty if it is none. Raises UsageError.
    """
    from pbshell.workbench.reaching import targets

    return targets.profile_of(options.target, vars(options))


async def plan_of(profile: Profile, namespace: dict[str, Any]) -> Plan:
    """How to connect by *profile*; its mind is made in *namespace*. Asks for the password at the terminal, if so it is.

    Raises UsageError.
    """
    from pbshell.cli.passwords import asker
    from pbshell.workbench.reaching import targets

    return await targets.plan_of(profile, asker(), namespace)


def history_of(profile: Profile) -> Path:
    """Where what is typed is kept: each profile has a file of its own, and all else has one together."""
    import platformdirs

    name = f"@{profile.name}" if profile.name else "history"
    return platformdirs.user_state_path("pbshell") / "history" / name
