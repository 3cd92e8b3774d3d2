"""Promise: a measurement that takes long shows in a terminal how far it is, and leaves pytest's own output as it was."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.pytest_runs import FEW_PLUGINS

CONFTEST = """
    import math, threading, time
    import pytest
    from pytest_llm.session import progress_bar

    progress_bar.DELAY = 0  # seconds
    bars = []

    class Kept(progress_bar.Bar):
        def __init__(self, *arguments, **named):
            super().__init__(*arguments, **named)
            bars.append(self)

    progress_bar.Bar = Kept

    class Patient:
        '''Answers when its progress was drawn, or at once where nothing draws.'''

        def cache_key(self):
            return "patient"

        def score(self, texts):
            before = bars[-1].frames if bars else None
            while before is not None and bars[-1].frames < before + 2:
                time.sleep(0.01)
            return [[-math.log(8)] * len(text) for text in texts]

    @pytest.fixture(scope="session")
    def llm():
        return Patient()
"""
SUITE = """
    from pytest_llm import assert_perplexity_below

    def test_before(): pass

    def test_it(llm):
        print("caught")
        assert_perplexity_below(llm, [letter * 70_000 for letter in "abc"], 9)

    def test_after(): pass
"""


def in_terminal(folder: Path, *arguments: str, size: tuple[int, int] = (24, 80)) -> str:
    """What a run writes to a terminal."""
    own, its = pty.openpty()
    os.set_inheritable(its, True)
    command = [sys.executable, "-m", "pytest", "--llm-cache=answers", *FEW_PLUGINS, *arguments]
    environment = {**os.environ, "TERM": "xterm", "LINES": str(size[0]), "COLUMNS": str(size[1])}
    with subprocess.Popen(command, cwd=folder, stdin=its, stdout=its, stderr=its, env=environment) as process:
        os.close(its)
        written = b""
        while True:
            try:
                part = os.read(own, 65536)
            except OSError:  # the other end is closed
                break
            if not part:
                break
            written += part
    os.close(own)
    assert process.returncode == 0, written.decode()
    return written.decode()


def screen(written: str, width: int = 80) -> list[str]:
    """The lines that a terminal shows in the end: of the control sequences, those that occur here."""
    lines, row, column = [[" "] * width], 0, 0
    for token in re.findall(r"\x1b\[[0-9;?]*[A-Za-z]|[^\x1b]", written):
        if token == "\n":
            row += 1
            if row == len(lines):
                lines.append([" "] * width)
        elif token == "\r":
            column = 0
        elif not token.startswith("\x1b"):
            if column == width:
                row, column = row + 1, 0
                if row == len(lines):
                    lines.append([" "] * width)
            lines[row][column] = token
            column += 1
        elif token.endswith("A"):
            row -= int(token[2:-1] or 1)
        elif token.endswith("G"):
            column = int(token[2:-1] or 1) - 1
        elif token.endswith("K"):
            assert token == "\x1b[2K"
            lines[row] = [" "] * width
        else:
            assert token[-1] in "mhl", token  # colours, and whether the cursor is shown
    return ["".join(line).rstrip() for line in lines]


def test_shows_how_far_it_is_and_leaves_no_trace(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(test_long=SUITE)
    written = in_terminal(pytester.path, "-v")
    drawn = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", written)
    for done in (0, 1, 2):
        assert re.search(rf"perplexity .* {done}/3 .* left", drawn)
    lines = screen(written)
    first = next(place for place, line in enumerate(lines) if line.startswith("test_long.py::"))
    for line, name, share in zip(lines[first:], ("before", "it", "after"), ("33", "66", "100"), strict=False):
        assert re.fullmatch(rf"test_long.py::test_{name} PASSED +\[ *{share}%\]", line)
    assert not any("/3" in line for line in lines)
