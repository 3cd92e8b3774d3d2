"""Which counter-examples are the running test's, and what it found. Standard library only: each pytest start loads it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container
from contextlib import AbstractContextManager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_llm.binding import bound
from pytest_llm.errors import MisuseError

if TYPE_CHECKING:
    from pytest_llm.adversarial.corpus import Entry, State


@dataclass
class CorpusOfTest:
    """The counter-examples of one test, and what became of them."""

    test: str
    """What pytest calls it within its module."""
    path: Path
    """The file of its module."""
    only: bool = False
    """Whether nothing but these entries is tried."""
    entries: tuple[Entry, ...] = ()
    changes: dict[str, Entry] = field(default_factory=dict)
    """By id what would be written: new entries, and those whose state is another one now."""
    counts: Counter[str] = field(default_factory=Counter)
    """How many were known, held, were accepted, returned."""
    tried: set[str] = field(default_factory=set)
    """The ids of those that could be tried."""
    left: dict[str, str] = field(default_factory=dict)
    """By id why one could not be tried, where it was asked for."""
    failing: set[str] = field(default_factory=set)
    """The ids of those that failed, at least once."""
    unkept: list[str] = field(default_factory=list)
    """Why counter-examples cannot be kept."""
    suspicions: list[str] = field(default_factory=list)
    """What gates warned of that looked for counter-examples and passed, but may have had to fail."""

    def of(self, relation: str = "") -> tuple[Entry, ...]:
        """Those of one relation; by default of a test of Hypothesis."""
        return tuple(entry for entry in self.entries if entry.relation == relation)

    def usable(self, relation: str = "", texts: Container[str] | None = None) -> list[Entry]:
        """Those whose input can be made, and of whose texts these are; None: no matter of which."""
        fit = []
        for entry in self.of(relation):
            try:
                entry.input  # noqa: B018  # it is made, or refused
            except MisuseError as error:
                self.left[entry.id] = str(error)
                continue
            if texts is None or entry.text in texts:
                fit.append(entry)
            else:
                self.left[entry.id] = "its text is no longer among the data"
        self.tried.update(entry.id for entry in fit)
        return fit

    @property
    def stale(self) -> dict[str, str]:
        """By id why an entry was tried nowhere in the test, which may look at several data sets: known when it has ended."""
        return {name: why for name, why in self.left.items() if name not in self.tried}

    def known(self, relation: str = "") -> tuple[Entry, ...]:
        """Those that may fail."""
        return tuple(entry for entry in self.of(relation) if entry.state != "fixed")

    def replayed(self, entry: Entry, *, fails: bool) -> bool:
        """Take down what became of an entry; returns whether the test has to fail for it.

        A test may ask several models: an open entry is fixed only if it holds for all of them.
        """
        if fails:
            self.failing.add(entry.id)
            self.changes.pop(entry.id, None)
        if entry.state == "accepted" or (entry.state == "open" and fails):
            self.counts["accepted" if entry.state == "accepted" else "known"] += 1
            return False
        self.counts["returned" if fails else "held"] += 1
        if entry.state == "open" and entry.id not in self.failing:
            self._change(entry, "fixed")
        return fails

    def found(self, entry: Entry) -> None:
        """Take down a new counter-example."""
        self.counts["new"] += 1
        self.changes[entry.id] = entry

    def _change(self, entry: Entry, state: State) -> None:
        self.changes[entry.id] = replace(entry, state=state)


_current: ContextVar[Callable[[], CorpusOfTest] | None] = ContextVar("pytest_llm_corpus", default=None)


def on_corpus(corpus: Callable[[], CorpusOfTest]) -> AbstractContextManager[None]:
    """Bind the test's corpus for the length of a `with` block; it is read when a test first asks for it."""
    return bound(_current, corpus)


def current_corpus() -> CorpusOfTest | None:
    """The running test's; None outside pytest."""
    corpus = _current.get()
    return None if corpus is None else corpus()
