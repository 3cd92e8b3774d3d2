"""Which worker of xdist gets which tests, with workers that only note what they are sent."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace

import pytest

from pytest_llm.session.scheduling import Scheduling

NAMES = ["a", "b", "m1", "m2", "m3"]
GROUPS = {"m1": "model 0", "m2": "model 0", "m3": "model 0"}


class Worker:
    """As the controller of xdist sees one."""

    def __init__(self, name: str) -> None:
        self.gateway = SimpleNamespace(id=name)
        self.sent: list[int] = []
        self.shutting_down = False

    def send_runtest_some(self, indices: list[int]) -> None:
        self.sent += indices

    def shutdown(self) -> None:
        self.shutting_down = True

    def names(self) -> list[str]:
        return [NAMES[index] for index in self.sent]


def scheduled(
    pytester: pytest.Pytester, groups: Mapping[str, str], names: list[str] = NAMES, dist: str = "load"
) -> tuple[Scheduling, Worker, Worker]:
    config = pytester.parseconfig(f"--dist={dist}", "--tx=2*popen")
    scheduling = Scheduling(config, None, groups)
    workers = Worker("gw0"), Worker("gw1")
    for worker in workers:
        scheduling.add_node(worker)
    for worker in workers:
        scheduling.add_node_collection(worker, names)
    assert scheduling.collection_is_completed
    scheduling.schedule()
    return scheduling, *workers


@pytest.mark.parametrize("dist", ["load", "loadgroup"])
def test_a_group_goes_to_one_worker_and_the_others_to_the_other(pytester: pytest.Pytester, dist: str) -> None:
    _, first, second = scheduled(pytester, GROUPS, dist=dist)
    assert first.names() == ["m1", "m2", "m3"]
    assert second.names() == ["a", "b"]


def test_without_groups_it_is_as_xdist_has_it(pytester: pytest.Pytester) -> None:
    _, first, second = scheduled(pytester, {})
    assert (first.names(), second.names()) == (["a", "b"], ["m1", "m2"])


def test_no_test_is_lost_where_two_have_one_name(pytester: pytest.Pytester) -> None:
    _, first, second = scheduled(pytester, GROUPS, ["a", "m1", "m1", "b", "b"])
    assert sorted({*first.sent, *second.sent}) == [0, 1, 2, 3]  # and the last when there is room


def test_a_test_that_crashes_its_worker_is_over_and_the_rest_of_its_group_goes_on(pytester: pytest.Pytester) -> None:
    scheduling, first, second = scheduled(pytester, GROUPS)
    scheduling.mark_test_complete(first, NAMES.index("m1"))
    assert scheduling.remove_node(first) == "m2"
    replacement = Worker("gw2")
    scheduling.add_node(replacement)
    scheduling.add_node_collection(replacement, NAMES)
    scheduling.schedule()
    assert replacement.names() == ["m3"]
    assert second.names() == ["a", "b"]


def test_a_worker_that_has_nothing_left_crashes_no_test(pytester: pytest.Pytester) -> None:
    scheduling, first, _ = scheduled(pytester, GROUPS)
    for name in GROUPS:
        scheduling.mark_test_complete(first, NAMES.index(name))
    assert scheduling.remove_node(first) is None
