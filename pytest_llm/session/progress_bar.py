"""A line below pytest's own while a model is asked: the metric, examples done, examples a second, the time left.

A plugin that is registered where it could be seen: in a terminal, not with -q, not in a worker of xdist. It writes to the terminal
itself, past pytest's capturing, and is gone when the measurement ends: the cursor is where pytest left it. What takes less than
a second shows nothing. Requests that are timed show nothing either: drawing would be timed with them.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import TextIO

import pytest

from pytest_llm.inference.progress import Progress, shown_by

DELAY = 1.0
"""Seconds before it appears."""
_EVERY = 0.2
"""Seconds between two looks."""


def can_be_seen(config: pytest.Config) -> bool:
    """Whether there is a terminal to draw in, which nobody else draws in."""
    return (
        not hasattr(config, "workerinput")
        and config.option.verbose >= 0
        and not config.option.collectonly
        and config.option.capture != "no"  # what is printed would run into it
        and not (config.getini("log_cli") or config.option.log_cli_level)  # likewise what is logged
        and os.environ.get("TERM") != "dumb"
        and sys.stdout.isatty()
    )


class ProgressBars:
    """Shows the measurements of a session, one after the other."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self._terminal: TextIO | None = None

    @pytest.hookimpl(wrapper=True)
    def pytest_runtestloop(self) -> Generator[None, object, object]:
        try:
            with shown_by(self._shown):
                return (yield)
        finally:
            if self._terminal is not None:
                self._terminal.close()

    @contextmanager
    def _shown(self, progress: Progress) -> Iterator[None]:
        writer = self.config.get_terminal_writer()
        bar = Bar(progress, self._opened(), column=writer.width_of_current_line, coloured=writer.hasmarkup)
        with bar:
            yield

    def _opened(self) -> TextIO:
        """The terminal, by a descriptor of our own: a test's are caught."""
        if self._terminal is None:
            capturing = self.config.pluginmanager.getplugin("capturemanager")
            with capturing.global_and_fixture_disabled():
                self._terminal = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8", errors="replace")
        return self._terminal


class Bar:
    """One measurement's; a thread draws, so that it also appears, and its time goes on, while a long batch is read.

    Args:
        progress: what it shows.
        terminal: where.
        column: where pytest's cursor is in its line.
        coloured: whether it may have colours.
    """

    def __init__(self, progress: Progress, terminal: TextIO, *, column: int, coloured: bool) -> None:
        self.frames = 0
        """How often it was drawn."""
        self._progress, self._terminal = progress, terminal
        self._column, self._coloured = column, coloured
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="pytest-llm progress", daemon=True)

    def __enter__(self) -> Bar:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        if self._over.wait(DELAY):
            return
        try:
            self._draw()
        except OSError:  # the terminal is gone: nobody looks any more
            return

    def _draw(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as RichProgress

        seen, width = self._progress, os.get_terminal_size(self._terminal.fileno()).columns or 80
        console = Console(
            file=self._terminal, force_terminal=True, width=width, color_system="auto" if self._coloured else None
        )
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TextColumn("{task.fields[pace]}"),
            TimeRemainingColumn(),
            TextColumn("left"),
        )
        bar = RichProgress(
            *columns,
            console=console,
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
            expand=True,
        )
        task = bar.add_task(seen.metric, total=seen.total, completed=seen.done, pace="")
        self._terminal.write("\n")
        with bar:
            while True:
                speed = bar.tasks[0].speed
                bar.update(task, completed=seen.done, pace="" if speed is None else f"{speed:.3g}/s", refresh=True)
                self.frames += 1
                if self._over.wait(_EVERY):
                    break
        self._terminal.write(f"\x1b[A\x1b[{self._column % width + 1}G")  # a line up, and to where pytest was in it
        self._terminal.flush()
