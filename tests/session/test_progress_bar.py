"""Where progress can be seen, what is drawn of it, and how it is counted."""

from __future__ import annotations

import io
import os
import pty
import select
import sys
import time

import pytest

from pytest_llm.inference.progress import Progress, answered, asking_about, measuring, shown_by
from pytest_llm.session import progress_bar
from pytest_llm.session.progress_bar import Bar, can_be_seen


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("arguments", "seen"),
    [
        ([], True),
        (["-v"], True),
        (["-q"], False),
        (["-s"], False),
        (["--log-cli-level=INFO"], False),
        (["-o", "log_cli=true"], False),
        (["--collect-only"], False),
    ],
)
def test_where_it_would_disturb_it_is_off(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, arguments: list[str], seen: bool
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    config = pytester.parseconfig(*arguments)
    monkeypatch.setattr(sys, "stdout", Terminal())
    assert can_be_seen(config) is seen


def test_without_a_terminal_or_in_a_worker_it_is_off(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = pytester.parseconfig()
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    assert not can_be_seen(config)
    monkeypatch.setattr(sys, "stdout", Terminal())
    monkeypatch.setenv("TERM", "dumb")
    assert not can_be_seen(config)
    monkeypatch.setenv("TERM", "xterm")
    assert can_be_seen(config)
    config.workerinput = {}  # type: ignore[attr-defined]
    assert not can_be_seen(config)


def test_what_is_quick_draws_nothing() -> None:
    terminal = io.StringIO()  # has no descriptor: drawing would fail
    with Bar(Progress("bleu", 10), terminal, column=0, coloured=False) as bar:
        pass
    assert (bar.frames, terminal.getvalue()) == (0, "")


def test_a_frame_says_what_and_how_far(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress_bar, "DELAY", 0)
    own, its = pty.openpty()
    progress = Progress("bleu", 400, done=120)
    with os.fdopen(its, "w") as terminal:
        with Bar(progress, terminal, column=17, coloured=False) as bar:
            while not bar.frames:
                time.sleep(0.01)
            progress.done = 200
        written = os.read(own, 65536).decode()
    os.close(own)
    assert "bleu" in written
    assert "120/400" in written
    assert written.startswith("\r\n")
    assert written.endswith("\x1b[A\x1b[18G")  # back up, behind what pytest wrote


def _read(terminal: int, *, until: str) -> str:
    """What was written to a terminal: the kernel hands it over in parts, the last ones when it gets to it."""
    written = ""
    while not written.endswith(until) and select.select([terminal], [], [], 10)[0]:
        written += os.read(terminal, 65536).decode()
    return written


def test_examples_are_counted_over_blocks_and_questions() -> None:
    seen = []

    class Looking:
        def __init__(self, progress: Progress) -> None:
            seen.append(progress)

        def __enter__(self) -> None: ...
        def __exit__(self, *_: object) -> None: ...

    answered(1, 1)  # nobody counts
    with shown_by(Looking), measuring("accuracy", 100):
        (progress,) = seen
        done = []
        for count, answers in ((40, 160), (60, 240)):  # four questions each
            asking_about(count)
            for known in range(0, answers + 1, answers // 2):
                answered(known, answers)
                done.append(progress.done)
        with measuring("inner", 5):
            pass
        answered(0, 240)  # another question about the same examples
        done.append(progress.done)
    assert done == [0, 20, 40, 40, 70, 100, 100]
    assert len(seen) == 1
