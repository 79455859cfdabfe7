"""pbshell as a process that goes on while a test watches what it writes. Knows pipes; knows no command."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from tests.pond.running import Outcome, environment

#: seconds for what must come
PATIENCE = 20.0


class _Stream:
    """What a process writes, read as it comes."""

    def __init__(self, pipe: IO[str]) -> None:
        self.text = ""
        self._pipe = pipe
        self._news = threading.Condition()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        for line in self._pipe:
            with self._news:
                self.text += line
                self._news.notify()

    def wait(self, words: str) -> str:
        """Wait for a line that has these *words*; that line."""
        with self._news:
            found = self._news.wait_for(lambda: words in self.text, PATIENCE)
            assert found, f"{words!r} did not come:\n{self.text}"
            return next(line for line in self.text.split("\n") if words in line)

    def rest(self) -> str:
        """All of it, when the process has ended."""
        self._thread.join(PATIENCE)
        return self.text


class Going:
    """A pbshell that runs."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        assert process.stderr is not None
        self.process = process
        self.out, self.err = _Stream(process.stdout), _Stream(process.stderr)

    def end(self, how: signal.Signals | None = signal.SIGINT) -> Outcome:
        """Wait for its end, *how* it is brought about, if it is not."""
        if how is not None:
            self.process.send_signal(how)
        code = self.process.wait(PATIENCE)
        return Outcome(code, self.out.rest(), self.err.rest())

    def port(self, file: Path) -> int:
        """The port that it writes into *file*."""
        deadline = time.monotonic() + PATIENCE
        while not file.exists():
            assert self.process.poll() is None, self.err.rest()
            assert time.monotonic() < deadline, "the port file does not come"
            time.sleep(0.01)  # another process makes it, and there is nothing else to wait for
        return int(file.read_text())


@contextmanager
def going(*words: str, stdin: int = subprocess.DEVNULL) -> Iterator[Going]:
    """Run pbshell with these *words*, and end it."""
    with subprocess.Popen(
        [sys.executable, "-m", "pbshell", *words],
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
        text=True,
    ) as process:
        running = Going(process)
        try:
            yield running
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()
            running.out.rest()
            running.err.rest()
