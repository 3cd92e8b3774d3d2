"""Tests that share a model run on one xdist worker: the weights are loaded once, and in memory once.

Only a worker collects tests, and so knows who shares what; only the controller schedules them. Between the two xdist carries the
ids of tests: for that moment each has its group behind it, and at all other times it is called as it is without xdist. (xdist
renames tests that are marked `xdist_group` for good; with pytest 9.2 it fails to, and they are in no group.)
"""

from __future__ import annotations

from collections.abc import Generator, Hashable, Iterator, Sequence
from itertools import compress
from typing import TYPE_CHECKING, Any

import pytest

from pytest_llm.markers import uses_us

if TYPE_CHECKING:
    from pytest_llm.session.scheduling import Scheduling

_SEPARATOR = "\x1f"  # which pytest escapes in ids
_ASKED = "llm_group"


def distribute(config: pytest.Config) -> None:
    """Register what this process does for it: xdist's controller, or one of its workers."""
    if hasattr(config, "workerinput"):
        if _ASKED in config.workerinput:
            config.pluginmanager.register(GroupingWorker(config.workerinput[_ASKED]), "llm_grouping")
    elif (named := config.getoption("dist")) == "loadgroup" or (named == "load" and not chosen(config)):
        fixtures = config.getini("llm_group")
        config.pluginmanager.register(
            GroupingController([] if fixtures == ["none"] else fixtures, named == "load"), "llm_grouping"
        )


def chosen(config: pytest.Config) -> bool:
    """Whether the user has said how tests are distributed: xdist makes "load" of a mere -n."""
    said = config.known_args_namespace
    return getattr(said, "dist", "no") != "no" or getattr(said, "distload", False)


class GroupingController:
    """Takes the groups off the ids of tests, and schedules by them.

    Args:
        fixtures: whose tests are kept together.
        only_for_models: whether marks `xdist_group` count only beside these.
    """

    def __init__(self, fixtures: Sequence[str], only_for_models: bool) -> None:
        self.asked = {"fixtures": list(fixtures), "only_for_models": only_for_models}
        self.groups: dict[str, str] = {}

    def pytest_configure_node(self, node: Any) -> None:
        node.workerinput[_ASKED] = self.asked

    @pytest.hookimpl(tryfirst=True)
    def pytest_xdist_node_collection_finished(self, ids: list[str]) -> None:
        if all(_SEPARATOR in name for name in ids):
            said = [name.rpartition(_SEPARATOR) for name in ids]
            self.groups.update((name, group) for name, _, group in said if group)
            ids[:] = [name for name, _, _ in said]  # the same list is what is scheduled

    @pytest.hookimpl(trylast=True)
    def pytest_xdist_make_scheduler(self, config: pytest.Config, log: Any) -> Scheduling | None:
        try:
            from pytest_llm.session.scheduling import Scheduling
        except ImportError:
            return None  # an xdist that is laid out otherwise schedules as ever, also for those who never heard of us
        return Scheduling(config, log, self.groups)


class GroupingWorker:
    """Finds out which tests belong together, and says so."""

    def __init__(self, asked: dict[str, Any]) -> None:
        self.fixtures: Sequence[str] = asked["fixtures"]
        self.only_for_models: bool = asked["only_for_models"]
        self.computing = 0
        """How many workers can ask models at a time, as far as collecting tells; 0: not known."""

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        if any(uses_us(item) or models_of(item, self.fixtures) for item in items):
            config.option.loadgroup = False  # else xdist would rename them

    @pytest.hookimpl(wrapper=True)
    def pytest_collection_finish(self, session: pytest.Session) -> Generator[None, object, object]:
        items = session.items
        names = [item.nodeid for item in items]
        models = [models_of(item, self.fixtures) for item in items]
        ours = [bool(used) or uses_us(item) for item, used in zip(items, models, strict=True)]
        if not any(models if self.only_for_models else ours) or not all(map(_can_be_renamed, items)):
            return (yield)
        marks = list(map(marked, items))
        free = together([frozenset() if mark else used for mark, used in zip(marks, models, strict=True)])
        groups = [mark or group for mark, group in zip(marks, free, strict=True)]
        alone_or_grouped = [group or name for name, group in zip(names, groups, strict=True)]
        self.computing = len(set(compress(alone_or_grouped, ours)))
        for item, name, group in zip(items, names, groups, strict=True):
            _rename(item, f"{name}{_SEPARATOR}{group}")
        try:
            return (yield)
        finally:
            for item, name in zip(items, names, strict=True):
                _rename(item, name)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtestloop(self) -> Generator[None, object, object]:
        from pytest_llm.models.devices import computing_at_once

        with computing_at_once(self.computing):
            return (yield)


def together(used: Sequence[frozenset[Hashable]]) -> list[str]:
    """Which group each test is in, by what it uses: those that have anything in common, directly or through others, are in one.

    A test that uses nothing is in none: its group is empty.
    """
    parents: dict[Hashable, Hashable] = {}

    def root(key: Hashable) -> Hashable:
        while parents.setdefault(key, key) != key:
            key = parents[key]
        return key

    for keys in used:
        first, *others = keys or [None]
        for other in others:
            parents[root(other)] = root(first)
    numbers: dict[Hashable, int] = {}  # by when they come, which is the same in every worker
    return [f"model {numbers.setdefault(root(next(iter(keys))), len(numbers))}" if keys else "" for keys in used]


def models_of(item: pytest.Item, fixtures: Sequence[str]) -> frozenset[Hashable]:
    """The models that a test uses through these fixtures: the same function makes the same one of the same parameters."""
    requested = getattr(item, "fixturenames", ())
    if "llm_measure" in requested:
        requested = (*requested, "llm")  # which it asks for when it is called
    return frozenset(tuple(_made_by(item, name)) for name in fixtures if name in requested)


def _made_by(item: pytest.Item, fixture: str) -> Iterator[Hashable]:
    """The function behind a fixture, by its identity, and of all parameters that it depends on which one the test has."""
    chosen = getattr(getattr(item, "callspec", None), "indices", {})
    manager = item.session._fixturemanager
    names = [fixture]
    for name in names:  # which grows
        definitions = manager.getfixturedefs(name, item) or ()
        if name == fixture:
            yield id(definitions[-1]) if definitions else None
        if name in chosen:
            yield name, chosen[name]
        needed = (needed for definition in definitions for needed in definition.argnames)
        names.extend(dict.fromkeys(other for other in needed if other not in names))


def marked(item: pytest.Item) -> str:
    """The group that the test was given by hand, as xdist names it; empty if none was."""
    marks = item.iter_markers("xdist_group")
    return "_".join(sorted({str(mark.args[0] if mark.args else mark.kwargs.get("name", "default")) for mark in marks}))


def _can_be_renamed(item: pytest.Item) -> bool:
    """Whether this pytest keeps ids where we know; if not, tests are in no group."""
    return hasattr(getattr(item, "_id", None), "parse") or isinstance(getattr(item, "_nodeid", None), str)


def _rename(item: pytest.Item, name: str) -> None:
    if hasattr(item, "_id"):  # pytest 9.2
        item._id = type(item._id).parse(name)
    else:
        item._nodeid = name  # type: ignore[attr-defined]
