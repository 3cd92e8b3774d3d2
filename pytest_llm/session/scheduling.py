"""What xdist's controller schedules by, where tests share models. Imported by `distribution` when xdist asks for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadGroupScheduling, LoadScheduling
from xdist.workermanage import WorkerController


class Scheduling:
    """As xdist has it until all tests are collected, and then by groups, if there are any.

    Args:
        config: pytest's.
        log: xdist's.
        groups: by the id of a test its group; filled by the time that all are collected.
    """

    def __init__(self, config: pytest.Config, log: Producer, groups: Mapping[str, str]) -> None:
        usual = LoadGroupScheduling if config.getoption("dist") == "loadgroup" else LoadScheduling
        self._current: LoadGroupScheduling | LoadScheduling = usual(config, log)
        self._grouped = GroupScheduling(config, log, groups)
        self._collected: dict[WorkerController, Sequence[str]] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._current, name)

    def add_node_collection(self, node: WorkerController, collection: Sequence[str]) -> None:
        self._collected[node] = collection
        self._current.add_node_collection(node, collection)

    def schedule(self) -> None:
        """Send tests to workers; called when all workers have collected, and again for each that takes a crashed one's place."""
        names = next(iter(self._collected.values()))
        if self._current is not self._grouped and self._grouped.groups and len(set(names)) == len(names):
            ready = [node for node in self._current.nodes if node in self._collected]
            self._grouped.numnodes = len(ready)
            for node in ready:
                self._grouped.add_node(node)
                self._grouped.add_node_collection(node, self._collected[node])
            self._current = self._grouped
        self._current.schedule()


class GroupScheduling(LoadGroupScheduling):  # type: ignore[misc]  # xdist tells nobody its types
    """All tests of a group go to one worker, the others wherever there is room."""

    def __init__(self, config: pytest.Config, log: Producer, groups: Mapping[str, str]) -> None:
        super().__init__(config, log)
        self.groups = groups

    def _split_scope(self, nodeid: str) -> str:
        return self.groups.get(nodeid, nodeid)

    def remove_node(self, node: WorkerController) -> str | None:
        """Take a worker out; the test that it crashed in is over, and what it had not begun waits for another one.

        xdist would have the test crash every worker in turn, until no more may be started and the others never run.
        """
        workload = self.assigned_work.pop(node)
        left = [(unit, nodeid) for unit in workload.values() for nodeid, done in unit.items() if not done]
        if not left:
            return None
        crashed: str
        unit, crashed = left[0]
        unit[crashed] = True
        self.workqueue.update({scope: unit for scope, unit in workload.items() if not all(unit.values())})
        for other in self.assigned_work:
            self._reschedule(other)
        return crashed
