"""What markers ask of a test: read when it is collected, and what it measured is held to them when it has run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

from pytest_llm.errors import MetricWarning, MisuseError
from pytest_llm.markers import asked_by, is_given
from pytest_llm.recording import Recorder, record_verdict
from pytest_llm.session.asking import reason_to_wait
from pytest_llm.session.misuse import misuse_of

if TYPE_CHECKING:
    from pytest_llm.baselines.shelf import Shelf
    from pytest_llm.judging.verdict import Verdict
    from pytest_llm.models.devices import GpuRequirement
    from pytest_llm.thresholds import Threshold, ThresholdFile
    from pytest_llm.tolerances import NoRegression

MARKERS_FAILED = pytest.StashKey[bool]()
"""Whether what a test measured did not hold to its markers."""
GPU_REQUIREMENTS: pytest.StashKey[list[GpuRequirement]] = pytest.StashKey()
_CHANGES: pytest.StashKey[list[NoRegression]] = pytest.StashKey()
_THRESHOLDS: pytest.StashKey[dict[str, Threshold]] = pytest.StashKey()


def threshold_file(config: pytest.Config, items: list[pytest.Item]) -> ThresholdFile | None:
    """The file of limits that the ini key names; None if it names none.

    Raises:
        pytest.UsageError: it cannot be read, or has a limit for a test that is not there.
    """
    name = config.getini("llm_thresholds")
    if not name:
        return None
    from pytest_llm.thresholds import ThresholdFile

    base = config.inipath.parent if config.inipath else config.rootpath
    selected = any("::" in str(argument) for argument in config.args)
    try:
        file = ThresholdFile.read(base / name)
        file.refuse_dead_keys(config.rootpath, [item.nodeid for item in items], selected=selected)
    except MisuseError as error:
        raise pytest.UsageError(str(error)) from None
    return file


def read_markers(item: pytest.Item, file: ThresholdFile | None) -> None:
    """Keep with a test what its markers, and the file of limits, ask for.

    Raises:
        pytest.UsageError: arguments that do not fit, or a marker on a test that it is not for.
    """
    marks = asked_by(item, "llm_threshold")
    if file is not None or marks:
        from pytest_llm.thresholds import NO_FILE, thresholds_of

        with misuse_of(item.nodeid):
            thresholds = thresholds_of(item.nodeid, marks, file or NO_FILE)
        if thresholds:
            item.stash[_THRESHOLDS] = thresholds
    if changes := asked_by(item, "llm_no_regression"):
        item.stash[_CHANGES] = changes
    if required := asked_by(item, "llm_gpu"):
        item.stash[GPU_REQUIREMENTS] = required
    if asked_by(item, "llm_batch") and not is_given(item):
        raise pytest.UsageError(
            f"{item.nodeid}: marker llm_batch: it is for tests of Hypothesis, decorated with @given"
        )
    if (reason := reason_to_wait(item)) is not None:
        item.add_marker(pytest.mark.skip(reason=reason))


def hold_to_markers(item: pytest.Item, recorder: Recorder, shelf: Callable[[], Shelf]) -> None:
    """Judge what the test measured by its markers; all that did not pass fails it, as one message."""
    complaints, passed = [], []
    for verdicts in _judged(item, recorder, shelf):
        try:
            for verdict in verdicts:
                record_verdict(verdict)
                passed.append(verdict) if verdict.passed else complaints.append(str(verdict))
        except MisuseError as error:
            complaints.append(str(error))
    if complaints:
        item.stash[MARKERS_FAILED] = True
        pytest.fail("\n\n".join(complaints), pytrace=False)
    for verdict in passed:
        if verdict.is_suspect:
            from pytest_llm.assertions.gate import refuse_suspicion

            refuse_suspicion(verdict)
            item.warn(MetricWarning(verdict.sentence))


def _judged(item: pytest.Item, recorder: Recorder, shelf: Callable[[], Shelf]) -> Iterator[Iterator[Verdict]]:
    """The verdicts of each kind of marker on the test."""
    if thresholds := item.stash.get(_THRESHOLDS, None):
        from pytest_llm.thresholds import check

        yield check(thresholds, recorder)
    if changes := item.stash.get(_CHANGES, None):
        from pytest_llm.tolerances import check_changes

        yield check_changes(changes, recorder, shelf())
