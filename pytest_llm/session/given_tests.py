"""Tests of Hypothesis that use a model: a plugin that is registered where one is collected.

They get settings that suit a model, for the length of their call; their counter-examples of the corpus are tried before anything is
drawn; and with the marker `llm_batch` what they ask is answered in batches.
"""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from inspect import signature
from typing import TYPE_CHECKING, Any

import pytest

from pytest_llm.adversarial.batching import answered_in_batches
from pytest_llm.adversarial.corpus import Entry, input_entry
from pytest_llm.adversarial.current_corpus import CorpusOfTest, current_corpus
from pytest_llm.adversarial.given import (
    altered,
    body_of,
    can_be_altered,
    drawn_arguments,
    explicit_only,
    is_control,
    settings_of,
)
from pytest_llm.adversarial.profile import model_settings
from pytest_llm.adversarial.telling import tell_of_entry
from pytest_llm.errors import BudgetError, MisuseError, UndecidedError
from pytest_llm.markers import is_given
from pytest_llm.models.language_model import provenance
from pytest_llm.recording import afresh, forgiving
from pytest_llm.reports.corpus import returned_lines

if TYPE_CHECKING:
    from pytest_llm.judging.verdict import Verdict

OURS = "pytest_llm.fixtures"
FAILURES = (Exception, pytest.fail.Exception)
MOST_BUGS = 16
"""So many failures are remembered: Hypothesis ends with the smallest of each bug, one after the other."""


class GivenTests:
    """What is done for them."""

    @pytest.hookimpl(wrapper=True, tryfirst=True)  # outside of Hypothesis' own plugin, which looks at the settings
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, object, object]:
        __tracebackhide__ = True
        if not (is_given(item) and can_be_altered(item.obj)):  # type: ignore[attr-defined]  # a Function
            return (yield)
        test = item.obj  # type: ignore[attr-defined]
        with altered(test, settings=model_settings(settings_of(test), harmless_fixtures=_all_ours(item))):
            return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_pyfunc_call(self, pyfuncitem: pytest.Function) -> Generator[None, object, object]:
        __tracebackhide__ = True
        test, corpus = pyfuncitem.obj, current_corpus()
        if not (is_given(pyfuncitem) and can_be_altered(test)):
            return (yield)
        run = functools.partial(_call, pyfuncitem)
        with ExitStack() as bound:
            if corpus is not None and corpus.only:
                bound.enter_context(explicit_only(test, _inputs(test, corpus.of())))
            elif corpus is not None and len(drawn_arguments(test)) == 1:
                _replay(pyfuncitem, corpus, run)
                bound.enter_context(_taken_down(pyfuncitem, corpus))
            elif corpus is not None:
                bound.enter_context(_not_kept(test, corpus))
            if pyfuncitem.get_closest_marker("llm_batch"):
                planning = bound.enter_context(answered_in_batches(test, run))
                pyfuncitem.user_properties.append(
                    ("llm_batch", f"{planning.questions} questions in {planning.rounds} rounds")
                )
            return (yield)


def one_for_each_metric(verdicts: Sequence[Verdict]) -> list[Verdict]:
    """Of the verdicts on a hundred examples those that say most: of each metric the last that failed, else the worst value."""
    chosen: dict[str, Verdict] = {}
    for verdict in verdicts:
        metric = verdict.measurement.metric
        if metric not in chosen or _says_more(verdict, chosen[metric]):
            chosen[metric] = verdict
    return list(chosen.values())


def _says_more(verdict: Verdict, other: Verdict) -> bool:
    if not (verdict.passed and other.passed):
        return not verdict.passed
    worse = verdict.measurement.value - other.measurement.value
    return worse > 0 if verdict.measurement.lower_is_better else worse < 0


def _call(item: pytest.Function) -> None:
    """Run the test as pytest does; skipping and failing end it, and come again when it counts."""
    with suppress(pytest.fail.Exception, pytest.skip.Exception):
        item.obj(**_arguments(item))


def _arguments(item: pytest.Function) -> dict[str, Any]:
    return {name: item.funcargs[name] for name in signature(item.obj).parameters if name in item.funcargs}


def _inputs(test: Any, entries: Sequence[Entry]) -> list[dict[str, Any]]:
    (name,) = drawn_arguments(test)
    return [{name: entry.input} for entry in entries]


def _replay(item: pytest.Function, corpus: CorpusOfTest, run: Callable[[], None]) -> None:
    """Try the counter-examples of earlier runs, all in one batch, before anything is drawn."""
    tried = []
    for entry in corpus.usable():
        if entry.state == "accepted":
            corpus.replayed(entry, fails=False)
        else:
            tried.append(entry)
    if not tried:
        return
    test = item.obj
    (name,) = drawn_arguments(test)
    body = body_of(test)
    outcomes: list[
        tuple[object, BaseException | None]
    ] = []  # inputs need not be hashable; of one that came twice the last counts

    @functools.wraps(body)
    def noting(*arguments: Any, **drawn: Any) -> None:
        try:
            body(*arguments, **drawn)
        except FAILURES as error:
            if _is_no_counter_example(error):
                raise
            outcomes.append((drawn[name], error))
        else:
            outcomes.append((drawn[name], None))

    with afresh(), explicit_only(test, _inputs(test, tried), noting), answered_in_batches(test, run):
        item.obj(**_arguments(item))
    returned = []
    for entry in tried:
        own = [error for given, error in outcomes if given == entry.input]
        if not own:  # such as by `assume`
            corpus.counts["not tried"] += 1
            continue
        error = own[-1]
        if corpus.replayed(entry, fails=error is not None):
            returned.append((entry, error))
    if returned:
        pytest.fail("\n\n".join(returned_lines(returned)), pytrace=False)


@contextmanager
def _taken_down(item: pytest.Function, corpus: CorpusOfTest) -> Iterator[None]:
    """Let what is known fail without a word, and keep what fails besides."""
    test = item.obj
    (name,) = drawn_arguments(test)
    body, known = body_of(test), corpus.known()
    failures: deque[tuple[Any, BaseException]] = deque(maxlen=MOST_BUGS)

    @functools.wraps(body)
    def watched(*arguments: Any, **drawn: Any) -> object:
        __tracebackhide__ = True
        with forgiving(_KnownError):
            try:
                return body(*arguments, **drawn)
            except FAILURES as error:
                if _is_no_counter_example(error):
                    raise
                if any(entry.explains(drawn[name]) for entry in known):
                    raise _KnownError from None
                failures.append((drawn[name], error))
                raise
        return None

    try:
        with altered(test, body=watched):
            yield
    except FAILURES as raised:
        shown = getattr(raised, "exceptions", (raised,))  # a group, if there are several bugs
        for given, error in failures:
            if any(error is one for one in shown):
                try:
                    entry = input_entry(corpus.test, given, _said(error), _model_of(item))
                except MisuseError as reason:
                    corpus.unkept.append(str(reason))
                else:
                    corpus.found(entry)
                    tell_of_entry(entry)
        raise


@contextmanager
def _not_kept(test: Any, corpus: CorpusOfTest) -> Iterator[None]:
    try:
        yield
    except FAILURES:
        names = ", ".join(drawn_arguments(test))
        corpus.unkept.append(f"it draws {names}, and an entry is of one input: draw one value that has them all")
        raise


def _model_of(item: pytest.Function) -> dict[str, str]:
    """The model under test, if the test has it from the fixture `llm`."""
    if "llm" not in item.funcargs:
        return {}
    origin = provenance(item.funcargs["llm"])  # type: ignore[arg-type]  # any object will do
    return {"name": origin.model, "dtype": origin.dtype, "device": origin.device}


class _KnownError(Exception):
    """A failure that a stored counter-example explains."""


def _is_no_counter_example(error: BaseException) -> bool:
    return is_control(error) or isinstance(error, BudgetError | MisuseError | UndecidedError | pytest.UsageError)


def _said(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".partition("\n")[0][:200]


def _all_ours(item: pytest.Item) -> bool:
    """Whether the function-scoped fixtures of the test's signature are all from here."""
    fixtures = item._fixtureinfo.name2fixturedefs  # type: ignore[attr-defined]  # as Hypothesis' own plugin looks
    scoped = [
        fixtures[name][-1]
        for name in signature(item.obj).parameters  # type: ignore[attr-defined]
        if name in fixtures and fixtures[name][-1].scope == "function"
    ]
    return bool(scoped) and all(fixture.func.__module__ == OURS for fixture in scoped)
