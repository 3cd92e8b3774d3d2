"""A failed test does not pin the memory of its models.

What failed leaves a traceback behind: in `sys.last_traceback` until the next test is called, which is after its models are loaded;
in a fixture of the session that could not be set up, until the end. Its frames hold their variables, and these the weights. When a
test is over, and whoever looks at it has looked (`--pdb`), the variables of these frames are let go. Only where a model may have
been loaded: in other runs tracebacks stay as pytest leaves them.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Generator, Iterator
from contextlib import suppress
from types import FrameType

import pytest

LOADING = "pytest_llm.models.loading"
"""Imported where a model of ours is loaded."""
_FAILURES: pytest.StashKey[list[BaseException]] = pytest.StashKey()


class FrameReleaser:
    """A plugin of each session."""

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        if call.excinfo is not None and LOADING in sys.modules:
            item.stash.setdefault(_FAILURES, []).append(call.excinfo.value)
        return (yield)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        try:
            return (yield)
        finally:
            failures = item.stash.get(_FAILURES, [])
            if failures:
                release(failures)
                del item.stash[_FAILURES]


def release(failures: list[BaseException]) -> None:
    """Let go of what the frames of these exceptions, and of those that they came of, hold; and give device memory back."""
    for error in _with_causes(failures):
        for frame, _ in traceback.walk_tb(error.__traceback__):
            _let_go(frame)
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()


def _let_go(frame: FrameType) -> None:
    with suppress(RuntimeError):  # it still runs
        frame.clear()
        _ = frame.f_locals  # a copy that pytest looked at is brought up to date: nothing is left in it


def _with_causes(failures: list[BaseException]) -> Iterator[BaseException]:
    waiting, seen = list(failures), set[int]()
    while waiting:
        error = waiting.pop()
        if id(error) in seen:
            continue
        seen.add(id(error))
        yield error
        waiting += [other for other in (error.__cause__, error.__context__) if other is not None]
        waiting += getattr(error, "exceptions", ())  # of a group
