"""Runs of pytest on a small project, each a process of its own that may be killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.reliability.small_project import EVERYTHING

_AS_FEW_AS_CAN_BE = ("-p", "no:anyio", "-p", "no:hypothesispytest", "-p", "no:cacheprovider", "--tb=line")
"""What takes longer than the run itself, and what another plugin would write."""
MOST_SECONDS = 120


@dataclass(frozen=True)
class Run:
    """A process that has begun."""

    process: int
    forks: Forks
    file: Path

    def end(self) -> int:
        """Wait for it: its exit code, as `subprocess` has it."""
        return self.forks.ask({"wait": self.process, "seconds": MOST_SECONDS})

    def send(self, number: int = signal.SIGKILL) -> None:
        os.kill(self.process, number)

    @property
    def output(self) -> str:
        return self.file.read_text(encoding="utf-8", errors="replace")


class Forks:
    """The process that runs are forked from."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def ask(self, request: Mapping[str, Any]) -> int:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{json.dumps(request)}\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def start(
        self, folder: Path, *options: str, state: int = 1, asked: tuple[str, ...] = EVERYTHING, **disturbances: Any
    ) -> Run:
        """Begin a run.

        Args:
            folder: of the project; what it printed, and what its model was asked, is written beside it.
            *options: of pytest, behind `asked`.
            state: of the model.
            asked: what the run is to leave.
            **disturbances: functions of `disturbing`, with their arguments.
        """
        handle, output = tempfile.mkstemp(dir=folder.parent, prefix="output-")
        os.close(handle)
        process = self.ask(
            {
                "folder": str(folder),
                "output": output,
                "arguments": [*_AS_FEW_AS_CAN_BE, *asked, *options],
                "environment": {"STATE": str(state), "ASKED": str(folder.parent / "asked")},
                "disturbances": disturbances,
            }
        )
        return Run(process, self, Path(output))

    def run(self, folder: Path, *options: str, code: int | None = 1, **others: Any) -> Run:
        """Begin a run and wait for it; by default one gate of the project fails."""
        run = self.start(folder, *options, **others)
        ended = run.end()
        assert code is None or ended == code, f"exit code {ended}\n{run.output}"
        return run


@contextmanager
def forking() -> Iterator[Forks]:
    """Start the process, and end it."""
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": ""}
    command = [sys.executable, "-m", "tests.reliability.forking"]
    with subprocess.Popen(
        command, cwd=root, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield Forks(process)
        assert process.stdin is not None
        process.stdin.close()
