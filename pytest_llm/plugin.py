"""pytest's entry point: markers, fixtures, and hooks that hand over.

Loaded in every pytest run of everyone who has the package installed, so: standard library and pytest only, no file, no
process, no output until a test uses us. What only some runs need is imported where they need it.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

import pytest

from pytest_llm.baselines.current import on_shelf
from pytest_llm.effort import Effort, counting
from pytest_llm.errors import UndecidedError
from pytest_llm.fixtures import (  # noqa: F401  # pytest finds fixtures here
    llm,
    llm_device,
    llm_devices,
    llm_measure,
    llm_reference,
    transformer_decoder,
    transformer_encoder,
    transformer_encoder_decoder,
)
from pytest_llm.inference.memo import remembering
from pytest_llm.markers import help_lines, is_given
from pytest_llm.options import pytest_addoption  # noqa: F401  # pytest finds the hook here
from pytest_llm.recording import Recorder, recording
from pytest_llm.reports.properties import as_expected, for_people, properties
from pytest_llm.session.asking import ASKING, TierReporter, asked_so, asking_of, limited
from pytest_llm.session.corpus_keeper import CorpusKeeper
from pytest_llm.session.marker_gates import (
    GPU_REQUIREMENTS,
    MARKERS_FAILED,
    hold_to_markers,
    read_markers,
    threshold_file,
)
from pytest_llm.session.misuse import misuse_of
from pytest_llm.session.progress_bar import ProgressBars, can_be_seen
from pytest_llm.session.ranks import judging, pytest_cmdline_main, unshared  # noqa: F401  # pytest finds the hook here
from pytest_llm.session.releasing import FrameReleaser
from pytest_llm.session.results import RESULTS, SessionResults
from pytest_llm.session.unfinished import UnfinishedTests
from pytest_llm.session.usage_teller import UsageTeller

if TYPE_CHECKING:
    from pytest_llm.baselines.shelf import Shelf
    from pytest_llm.inference.cache import Cache
    from pytest_llm.inference.memo import Memo
    from pytest_llm.judging.verdict import Verdict
    from pytest_llm.session.correcting import HolmCorrection

UNFINISHED = "llm_unfinished"
BASELINE_KEEPER = "llm_baseline_keeper"
MISUSE = pytest.StashKey[str]()
CACHE_SIZE = pytest.StashKey[int]()
CORRECTION: pytest.StashKey[HolmCorrection] = pytest.StashKey()


def pytest_configure(config: pytest.Config) -> None:
    if config.pluginmanager.hasplugin("pytest_llm"):
        raise pytest.UsageError(
            "the project 'pytest-llm' is installed beside 'pytest-llm-regression', and both own the import package "
            "pytest_llm, so one has overwritten the other: pip uninstall pytest-llm, then reinstall pytest-llm-regression"
        )
    asking = config.stash[ASKING] = asking_of(config)
    if asking.tier or asking.sample:
        config.pluginmanager.register(TierReporter(asking), "llm_tier_reporter")
    if asking.ranks and (judge := judging(config)) is not None:
        config.pluginmanager.register(judge, "llm_judging_rank")
    if config.getoption("llm_rejudge"):
        from pytest_llm.session.rejudging import rejudge

        config.pluginmanager.register(rejudge(config), "llm_rejudge")
    results = _follow(config)
    if not config.option.collectonly:
        if any(map(config.getoption, ("llm_json", "llm_html", "llm_history", "llm_mlflow", "llm_report"))):
            from pytest_llm.session.files import register_writers

            register_writers(config, {"tier": asking.tier.name} if asking.tier else {})
        _tell_ci(config)
        if results is not None:
            config.pluginmanager.register(UnfinishedTests(results), UNFINISHED)
    if config.getoption("llm_correction") == "holm":
        from pytest_llm.session.correcting import correction

        config.stash[CORRECTION] = correction(config.getini("llm_gates"))
        config.pluginmanager.register(config.stash[CORRECTION], "llm_correction")
    if size := config.getini("llm_cache_size"):
        from pytest_llm.models.devices import parse_memory

        with misuse_of("ini key llm_cache_size"):
            config.stash[CACHE_SIZE] = parse_memory(size)
    if config.getoption("llm_update_baselines") or config.getoption("llm_calibrate"):
        from pytest_llm.session.baseline_keeper import BaselineKeeper

        config.pluginmanager.register(BaselineKeeper(config), BASELINE_KEEPER)
    if hasattr(config, "workerinput") or config.getoption("dist", "no") != "no":
        from pytest_llm.session.distribution import distribute

        distribute(config)
    config.pluginmanager.register(CorpusKeeper(config), "llm_corpus_keeper")
    config.pluginmanager.register(FrameReleaser(), "llm_frame_releaser")
    config.pluginmanager.register(UsageTeller(), "llm_usage_teller")
    if can_be_seen(config):
        config.pluginmanager.register(ProgressBars(config), "llm_progress_bars")
    for line in help_lines():
        config.addinivalue_line("markers", line)


def _follow(config: pytest.Config) -> SessionResults | None:
    """Follow each test, in the process that has the terminal."""
    if hasattr(config, "workerinput"):
        return None
    results = config.stash[RESULTS] = SessionResults()
    config.pluginmanager.register(results, "llm_results")
    return results


def _tell_ci(config: pytest.Config) -> None:
    file, exit_code = config.getoption("llm_markdown"), config.getoption("llm_gate_exit_code")
    on_github = os.environ.get("GITHUB_ACTIONS") == "true"
    if file is None and exit_code is None and not on_github:
        return
    from pytest_llm.session.ci_reporter import CiReporter, GateWatcher, Telling
    from pytest_llm.session.files import path_of

    if exit_code is not None:
        config.pluginmanager.register(GateWatcher(MARKERS_FAILED), "llm_gate_watcher")
    if not hasattr(config, "workerinput"):
        path = None if file is None else path_of(config, "--llm-markdown", file)
        summary = os.environ.get("GITHUB_STEP_SUMMARY") if on_github else None
        telling = Telling(path, Path(summary) if summary else None, on_github, exit_code)
        config.pluginmanager.register(CiReporter(telling, config.stash[RESULTS]), "llm_ci_reporter")


@pytest.hookimpl(wrapper=True, optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> Generator[None, int, int]:
    from pytest_llm.session.worker_count import as_many_as_fit

    return as_many_as_fit(config, (yield))


@pytest.hookimpl(wrapper=True)
def pytest_runtestloop(session: pytest.Session) -> Generator[None, object, object]:
    memory = remembering(partial(_cache, session.config))
    with memory as memo, asked_so(session.config.stash[ASKING]), _counting(session.config, memo):
        return (yield)


@contextmanager
def _counting(config: pytest.Config, memo: Memo) -> Iterator[None]:
    """What measuring takes, by the clock and the memo; of what is judged again nothing is measured."""

    def totals() -> Effort:
        tally = memo.tally
        return Effort(perf_counter(), tally.computed, tally.cached, tally.remembered)

    with counting(None if config.getoption("llm_rejudge") else totals):
        yield


def _cache(config: pytest.Config) -> Cache | None:
    """The answers of earlier sessions, unless they are switched off; no file is made before something is looked up."""
    from pytest_llm.inference.cache import DEFAULT_SIZE, cache_at

    own = getattr(config, "cache", None)  # there is none under -p no:cacheprovider
    usual = None if own is None else partial(own.mkdir, "llm-regression")
    size = config.stash.get(CACHE_SIZE, DEFAULT_SIZE)
    if asked := config.getoption("llm_cache") or os.environ.get("PYTEST_LLM_CACHE"):
        return cache_at(asked, config.invocation_params.dir, usual, size)
    return cache_at(config.getini("llm_cache"), config.rootpath, usual, size)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if any(map(is_given, items)):
        from pytest_llm.session.given_tests import GivenTests

        config.pluginmanager.register(GivenTests(), "llm_given_tests")
    try:
        file = threshold_file(config, items)
        for item in items:
            read_markers(item, file)
    except pytest.UsageError as error:
        if not hasattr(config, "workerinput"):
            raise
        for item in items:  # an xdist worker that ends during collection is taken for crashed: let each test say it
            item.stash[MISUSE] = str(error)
    alone = any(need.exclusive for item in items for need in item.stash.get(GPU_REQUIREMENTS, []))
    if alone and hasattr(config, "workerinput"):
        from pytest_llm.session.exclusive import Turns

        config.pluginmanager.register(Turns(config), "llm_turns")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    if message := item.stash.get(MISUSE, None):
        pytest.fail(message, pytrace=False)
    required = item.stash.get(GPU_REQUIREMENTS, None)
    if required and not item.config.getoption("llm_rejudge"):
        from pytest_llm.models.devices import gpus, skip_reason, worker_number

        reason = skip_reason(required[-1], gpus(), worker_number(), item.config.getoption("llm_device"))
        if reason is not None:  # before the skipping plugin looks, so that the reason is reported at the test's line
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None]:
    shelf = cache(partial(_shelf, item))
    with recording() as recorder, on_shelf(shelf):
        try:
            try:
                yield
                hold_to_markers(item, recorder, shelf)
            except UndecidedError as error:
                (pytest.skip if error.ending == "skip" else pytest.xfail)(str(error))
        finally:
            for verdict, effort in _told(item, recorder):
                item.user_properties.extend(properties(verdict, effort))
            item.user_properties.extend(limited(recorder.measurements))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if call.when == "call" and (report.passed or hasattr(report, "wasxfail")):
        item.user_properties = as_expected(item.user_properties)
        report.user_properties = list(item.user_properties)
    if call.when == "teardown":  # whose properties JUnit XML shows; our own programs read those of the call
        report.user_properties = for_people(report.user_properties)
    return report


def _told(item: pytest.Item, recorder: Recorder) -> list[tuple[Verdict, Effort | None]]:
    """The verdicts that are reported, each with what it took.

    Of a test of Hypothesis, which has one for each example, those that say most, and what all examples took.
    """
    if not is_given(item):
        return [(verdict, recorder.effort_of(verdict)) for verdict in recorder.verdicts]
    from pytest_llm.session.given_tests import one_for_each_metric

    told = one_for_each_metric(recorder.verdicts)
    return [(verdict, recorder.effort_on(verdict.measurement.metric)) for verdict in told]


def _shelf(item: pytest.Item) -> Shelf:
    from pytest_llm.baselines.shelf import shelf_for

    option, correction = item.config.getoption, item.config.stash.get(CORRECTION, None)
    shelf = shelf_for(
        item.path,
        item.nodeid,
        update=option("llm_update_baselines"),
        anchor=item.config.getini("llm_anchor"),
        strict=option("llm_strict"),
        gates=1 if correction is None else correction.declared,
        calibrate=option("llm_calibrate"),
    )
    if (keeper := item.config.pluginmanager.get_plugin(BASELINE_KEEPER)) is not None:
        keeper.keep(item, shelf)
    return shelf


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    config = terminalreporter.config
    if not config.stash[RESULTS].has_verdicts:
        return
    from pytest_llm.session.terminal_summary import summarise

    holm = config.stash.get(CORRECTION, None)
    summarise(terminalreporter, None if holm is None else holm.result(config))
    if said := unshared(config):
        terminalreporter.write_line(said, yellow=True)
