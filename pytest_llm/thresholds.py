"""Limits that stand on a test instead of in it: from the marker `llm_threshold` and from the ini file's TOML table.

Nearer wins: class over module, function over class; and the file wins over the marker, so that CI can tune a limit without
touching code. Standard library only until a limit is checked.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_llm.errors import MisuseError
from pytest_llm.limit import Limit
from pytest_llm.metrics import METRICS, METRICS_BELOW_ZERO, closest
from pytest_llm.storage.strict_json import read_bounded

if TYPE_CHECKING:
    from pytest_llm.judging.verdict import Verdict
    from pytest_llm.recording import Recorder


MOST_BYTES = 2**20
"""Of a TOML file: some ten thousand limits."""


@dataclass(frozen=True, slots=True)
class Threshold:
    """One limit on one metric."""

    metric: str
    limit: Limit

    def __str__(self) -> str:
        return f"{self.metric}_{self.limit.side}={self.limit.value:g}"


@dataclass(frozen=True, slots=True)
class Thresholds:
    """The limits of one `llm_threshold` marker, and the suite of the TOML file that may replace them."""

    suite: str | None
    limits: Mapping[str, Threshold]


def keywords() -> dict[str, str]:
    """The metric of each keyword, such as `perplexity_below`; those of `llm_metric` join when their module is imported."""
    return {f"{name}_{entry.good}": name for name, entry in METRICS.items()}


def parse_limits(limits: Mapping[str, Any], origin: str) -> dict[str, Threshold]:
    """Check `{"perplexity_below": 25}` and key it by metric.

    Raises:
        MisuseError: an unknown keyword, a limit that is not a finite number, or one that no value could miss.
    """
    parsed = {}
    for keyword, value in limits.items():
        known = keywords()
        if keyword not in known:
            raise MisuseError(f"unknown limit {keyword!r}; {closest(keyword, known)}")
        metric = known[keyword]
        try:
            limit = Limit(METRICS[metric].good, value, origin=f"{keyword} in {origin}")
        except MisuseError as error:
            raise MisuseError(f"{keyword}: {error}") from None
        if (
            limit.side == "above"
            and limit.value < 0
            and metric not in METRICS_BELOW_ZERO
            and METRICS[metric].custom is None
        ):
            raise MisuseError(
                f"{keyword} = {limit.value:g}: {metric} is never below 0, so that this limit could not fail"
            )
        parsed[metric] = Threshold(metric, limit)
    return parsed


@dataclass(frozen=True, slots=True)
class ThresholdFile:
    """The TOML file of the ini key `llm_thresholds`: one table per suite name or test id."""

    name: str
    tables: Mapping[str, Mapping[str, Threshold]]

    @classmethod
    def read(cls, path: Path) -> ThresholdFile:
        """Read and check the whole file.

        Raises:
            MisuseError: no such file, not TOML, not one table of limits per key.
        """
        if sys.version_info >= (3, 11):
            import tomllib
        else:
            import tomli as tomllib
        try:
            content = tomllib.loads(read_bounded(path, MOST_BYTES).decode("utf-8"))
        except (OSError, ValueError, RecursionError) as error:  # UTF-8 and TOML too
            raise MisuseError(f"llm_thresholds: cannot read {path}: {error}") from None
        tables = {}
        for key, limits in content.items():
            if not isinstance(limits, dict):
                raise MisuseError(
                    f'{path.name}: {key} = {limits!r} is not in a table; write ["{key}"] above its limits'
                )
            if not limits:
                raise MisuseError(
                    f"{path.name}: [{key}] holds no limit, so that it gates nothing; remove it if that is meant"
                )
            try:
                tables[key] = parse_limits(limits, f"[{key}] of {path.name}")
            except MisuseError as error:
                raise MisuseError(f"{path.name}: [{key}]: {error}") from None
        return cls(path.name, tables)

    def test_ids(self) -> Iterator[str]:
        """The keys that name a test, a class or a module, not a suite."""
        return (key for key in self.tables if is_test_id(key))

    def refuse_dead_keys(self, root: Path, node_ids: Collection[str], *, selected: bool) -> None:
        """A key whose test was renamed or removed would be a gate that silently vanished.

        Args:
            root: what test ids are relative to.
            node_ids: of the tests that were collected.
            selected: whether single tests were asked for, so that others of their file are not there.

        Raises:
            MisuseError: a key names a file, or a test in a file that was collected, that is not there.
        """
        collected = {part for node_id in node_ids for part in containers(node_id)}
        for key in self.test_ids():
            path = Path(root, key.partition("::")[0])
            if not path.is_file():
                raise MisuseError(f"{self.name}: [{key}] names a file that is not there: {path}")
            if not selected and key.partition("::")[0] in collected and key not in collected:
                raise MisuseError(f"{self.name}: [{key}] names a test that its file does not have")


NO_FILE = ThresholdFile("", {})


def is_test_id(key: str) -> bool:
    return "::" in key or key.endswith(".py")


def containers(node_id: str) -> Iterator[str]:
    """The keys that apply to a test, farthest first: module, class, function, function with parameters."""
    path, *names = node_id.partition("[")[0].split("::")
    for depth in range(len(names) + 1):
        yield "::".join([path, *names[:depth]])
    if "[" in node_id:
        yield node_id


def thresholds_of(node_id: str, marks: Collection[Thresholds], file: ThresholdFile) -> dict[str, Threshold]:
    """The limits that hold for a test, by metric.

    Args:
        node_id: pytest's id of the test.
        marks: its markers, farthest first (module, class, function).
        file: the TOML file, or `NO_FILE`.

    Raises:
        MisuseError: a marker names a suite that the file does not have.
    """
    limits: dict[str, Threshold] = {}
    for mark in marks:
        limits.update(mark.limits)
        if mark.suite is None:
            continue
        if mark.suite not in file.tables:
            where = (
                f"{file.name} has only: {', '.join(file.tables)}"
                if file.name
                else "the ini key llm_thresholds is not set"
            )
            raise MisuseError(f"llm_threshold names the suite {mark.suite!r}, but {where}")
        limits.update(file.tables[mark.suite])
    for key in containers(node_id):
        limits.update(file.tables.get(key, {}))
    return limits


def check(thresholds: Mapping[str, Threshold], recorder: Recorder) -> Iterator[Verdict]:
    """Judge every measurement of the named metrics.

    Raises:
        MisuseError: after all that was measured: a metric was named but not measured, so there is nothing that could pass.
    """
    from pytest_llm.judging.limit_verdict import judge

    measured = dict.fromkeys(measurement.metric for measurement in recorder.measurements)
    for threshold in thresholds.values():
        for measurement in recorder.measurements:
            if measurement.metric == threshold.metric:
                yield judge(measurement, threshold.limit)
    vanished = [threshold for threshold in thresholds.values() if threshold.metric not in measured]
    if vanished:
        names = ", ".join(map(str, vanished))
        found = f"it measured only {', '.join(measured)}" if measured else "it measured nothing"
        raise MisuseError(
            f"never checked: {names}; the test's body did not measure {', '.join(t.metric for t in vanished)} ({found}); "
            f"measure it there, for example with llm_measure"
        )
