"""Accounts: who may come in, what he gets, and how the server calls him back.

Prints::

    mallory: the login failed
    ada hears: welcome, ada
    2 + 3 = 5
    ada has left
"""

from __future__ import annotations

import asyncio

from pbshell import cred, errors, pb


class Calculator(pb.Avatar):
    """What a user gets: methods that begin with perspective_, one object for each login."""

    def __init__(self, name: str, mind: pb.RemoteReference) -> None:
        self.name = name
        self.mind = mind
        self.left = asyncio.Event()

    async def perspective_add(self, a: int, b: int) -> int:
        await self.mind.callRemote("hear", f"welcome, {self.name}")
        return a + b

    def logout(self) -> None:
        print(self.name, "has left")
        self.left.set()


class Ear(pb.Referenceable):
    """What a client hands over, so that the server can call the user: his mind."""

    def __init__(self, name: str) -> None:
        self.name = name

    def remote_hear(self, words: str) -> None:
        print(self.name, "hears:", words)


async def main() -> None:
    avatars: list[Calculator] = []

    @cred.realm
    def realm(name: str | None, mind: pb.RemoteReference) -> Calculator:
        if name is None:
            raise errors.LoginDenied("not without a name")
        avatars.append(Calculator(name, mind))
        return avatars[-1]

    checker = cred.InMemoryUsernamePasswordDatabaseDontUse(ada="lovelace")
    portal = cred.Portal(realm, [checker])

    async with pb.serve(portal, "tcp:0") as server:
        async with pb.connect(f"localhost:{server.port}") as connection:
            try:
                await connection.login(cred.UsernamePassword("mallory", "guess"))
            except errors.LoginFailed:
                print("mallory: the login failed")
            avatar = await connection.login(cred.UsernamePassword("ada", "lovelace"), client=Ear("ada"))
            print("2 + 3 =", await avatar.callRemote("add", 2, 3))
        await avatars[0].left.wait()


if __name__ == "__main__":
    asyncio.run(main())
