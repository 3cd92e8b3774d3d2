"""Counter-examples of earlier runs: bound to each test that asks for them, and written when the session ends.

A plugin of each session. Nothing is read before a test asks; what workers of xdist found travels with their reports, so that one
process writes. What is new is announced where it is kept, where its test failed, or where the warning of a suspect gate of the test
came out of it: other tests allow what they find, or expect it.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Generator
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_llm.adversarial.current_corpus import CorpusOfTest, on_corpus
from pytest_llm.errors import MetricWarning, MisuseError
from pytest_llm.reports.properties import COUNTER_EXAMPLES

if TYPE_CHECKING:
    import warnings

    from pytest_llm.adversarial.corpus import Entry


class CorpusKeeper:
    """Gives tests their counter-examples, and keeps what they find."""

    def __init__(self, config: pytest.Config) -> None:
        self.wanted: str | None = config.getoption("llm_replay")
        self.updates: bool = config.getoption("llm_update_corpus")
        self.counts: Counter[str] = Counter()
        self.suspected: dict[str, tuple[int, list[str]]] = {}
        self.changes: defaultdict[Path, dict[str, str]] = defaultdict(dict)
        self.written: list[str] = []
        self._read = cache(_read)

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        if self.wanted is None:
            return
        kept: list[pytest.Item] = []
        left: list[pytest.Item] = []
        for item in items:
            (kept if self._entries(item) else left).append(item)
        if not kept:
            raise pytest.UsageError(
                f"--llm-replay: no test that was collected has a counter-example {self.wanted}; `pytest-llm corpus list` "
                f"shows which there are"
            )
        config.hook.pytest_deselected(items=left)
        items[:] = kept

    def _entries(self, item: pytest.Item) -> tuple[Entry, ...]:
        from pytest_llm.adversarial.corpus import corpus_file

        name = _within_module(item)
        entries = (entry for entry in self._read(corpus_file(item.path)).values() if entry.test == name)
        return tuple(entry for entry in entries if self.wanted is None or entry.id.startswith(self.wanted))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, object, object]:
        __tracebackhide__ = True
        made: list[CorpusOfTest] = []
        with on_corpus(partial(self._corpus_of, item, made)):
            try:
                result = yield
                stale = made[0].stale if made else {}
                if stale:
                    made[0].counts["stale"] = len(stale)
            finally:
                if made:
                    self._take_down(item, made[0])
        for name, why in stale.items():
            item.warn(MetricWarning(f"{made[0].path.name}: {name} is stale, and was not tried: {why}"))
        return result

    def _corpus_of(self, item: pytest.Item, made: list[CorpusOfTest]) -> CorpusOfTest:
        from pytest_llm.adversarial.corpus import corpus_file

        if not made:
            path = corpus_file(item.path)
            made.append(CorpusOfTest(_within_module(item), path, self.wanted is not None, self._entries(item)))
        return made[0]

    def _take_down(self, item: pytest.Item, corpus: CorpusOfTest) -> None:
        from pytest_llm.reports.corpus import found_lines

        unkept = [f"{corpus.path.name}: {corpus.test} has one that is not kept: {why}" for why in corpus.unkept]
        if self.updates and unkept:
            corpus.counts["not kept"] = len(unkept)
        if not corpus.counts:
            return
        new = [entry for name, entry in corpus.changes.items() if entry not in corpus.entries and entry.state == "open"]
        if new:
            item.add_report_section("call", "llm corpus", "\n".join(found_lines(new, kept=self.updates)))
        lines = {name: entry.line() for name, entry in corpus.changes.items()} if self.updates else {}
        told = {
            "path": str(corpus.path),
            "counts": dict(corpus.counts),
            "lines": lines,
            "unkept": unkept if self.updates else [],
            "suspicions": corpus.suspicions,
        }
        item.user_properties.append((COUNTER_EXAMPLES, json.dumps(told)))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when != "call":
            return
        for name, value in report.user_properties:
            if name == COUNTER_EXAMPLES:
                told = json.loads(str(value))
                if not (report.failed or self.updates):
                    self.suspected[report.nodeid] = told["counts"].pop("new", 0), told["suspicions"]
                self.counts.update(told["counts"])
                self.written += told["unkept"]
                self.changes[Path(told["path"])].update(told["lines"])

    def pytest_warning_recorded(self, warning_message: warnings.WarningMessage, nodeid: str) -> None:
        """A suspect gate's warning that nobody caught, behind the report of its test."""
        new, suspicions = self.suspected.get(nodeid, (0, []))
        if str(warning_message.message) in suspicions:
            del self.suspected[nodeid]
            self.counts["new"] += new

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if hasattr(session.config, "workerinput"):
            return
        from pytest_llm.adversarial.corpus import add_to_corpus, entry_of

        for path, lines in self.changes.items():
            if not lines:
                continue
            try:
                before = add_to_corpus(path, lines.values())
            except (OSError, MisuseError) as error:
                session.exitstatus = pytest.ExitCode.INTERNAL_ERROR
                self.written.append(f"--llm-update-corpus: {path} could not be written: {error}")
                continue
            for name, line in lines.items():
                was = f"{before[name].state} → " if name in before else "new, "
                self.written.append(f"{path.name}: {name} {was}{entry_of(line).state}")

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if not self.counts:
            return
        from pytest_llm.reports.corpus import summary_line

        terminalreporter.write_sep("-", summary_line(self.counts))
        for line in self.written:
            terminalreporter.write_line(line)


def _within_module(item: pytest.Item) -> str:
    """What pytest calls a test in its module."""
    return item.nodeid.partition("::")[2] or item.nodeid


def _read(path: Path) -> dict[str, Any]:
    from pytest_llm.adversarial.corpus import read_corpus

    try:
        return dict(read_corpus(path))
    except MisuseError as error:
        raise pytest.UsageError(str(error)) from None
