"""The echo server."""

from __future__ import annotations

import argparse

import pytest

from pbshell import pb
from pbshell_plugins.echo import plugin


async def test_echo_sends_back_what_it_is_sent_and_tells(capsys: pytest.CaptureFixture[str]) -> None:
    root = plugin.make(argparse.Namespace())
    async with (
        pb.serve(root, "tcp:0") as server,
        pb.connect(f"127.0.0.1:{server.port}") as connection,
    ):
        echo = await connection.getRootObject()

        assert await echo.callRemote("echo", ["hello", 1, {"k": b"v"}]) == ["hello", 1, {"k": b"v"}]

    assert capsys.readouterr().err == "echoing: ['hello', 1, {'k': b'v'}]\n"


def test_what_it_tells_is_harmless_and_short(capsys: pytest.CaptureFixture[str]) -> None:
    plugin.make(argparse.Namespace()).remote_echo("\x1b[2J" * 1000)

    told = capsys.readouterr().err.rstrip("\n")
    assert told.isprintable()
    assert len(told) < 250
