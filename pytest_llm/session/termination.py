"""SIGTERM, which CI sends to a job whose time is over: it ends a session as Ctrl-C does, so that what it was to leave is written.

A plugin of sessions that are asked for a file; others are ended by the system at once, as ever.
"""

from __future__ import annotations

import signal

import pytest


class TerminationCatcher:
    """Holds the signal while tests run, unless somebody else does."""

    def __init__(self) -> None:
        self.holds = False

    def pytest_sessionstart(self) -> None:
        try:
            if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
                signal.signal(signal.SIGTERM, _end)
                self.holds = True
        except ValueError:  # pytest runs in a thread, which gets no signal
            return

    def pytest_unconfigure(self) -> None:
        if self.holds and signal.getsignal(signal.SIGTERM) in (_end, signal.SIG_IGN):
            signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _end(number: int, frame: object) -> None:
    signal.signal(number, signal.SIG_IGN)  # one is enough: files are being written now; SIGKILL always helps
    pytest.exit("SIGTERM: the session is ended, and what it measured is written", pytest.ExitCode.INTERRUPTED)
