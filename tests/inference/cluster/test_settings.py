"""What of a cluster is used: settings that make no sense are refused, and engines take it in place of processes."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_llm import Cluster, Engine
from pytest_llm.errors import MisuseError
from pytest_llm.inference.cluster import connection


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"address": ""}, "address='': expected 'auto', 'local' or host:port"),
        ({"address": "ray://host:10001"}, "for ray:// run pytest on a node of the cluster"),
        ({"actors": 0}, "actors=0: expected a whole number, at least 1"),
        ({"actors": True}, "actors=True: expected a whole number"),
        ({"cpus": 0.5}, "cpus=0.5: expected a whole number, at least 1"),
        ({"gpus": -1}, "gpus=-1: expected a share of a GPU, such as 0.5, or a whole number"),
        ({"gpus": 1.5}, "gpus=1.5: expected a share"),
        ({"gpus": float("nan")}, "gpus=nan: expected a share"),
        ({"gpus": float("inf")}, "gpus=inf: expected a share"),
        (
            {"device_map": "cuda"},
            "device_map='cuda': expected one of 'auto', 'balanced', 'balanced_low_0', 'sequential'",
        ),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(MisuseError) as caught:
        Cluster(**settings)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "spread"),
    [
        ({}, None),
        ({"gpus": 1}, None),
        ({"gpus": 0.5, "device_map": "sequential"}, "sequential"),
        ({"gpus": 2}, "auto"),
        ({"gpus": 2, "device_map": "balanced"}, "balanced"),
    ],
)
def test_an_actor_with_several_gpus_uses_all_of_them(settings: dict[str, Any], spread: str | None) -> None:
    assert Cluster(**settings).spread == spread


def test_an_engine_takes_a_cluster_or_its_address() -> None:
    assert Engine(cluster="10.0.0.1:6379").cluster == Cluster("10.0.0.1:6379")  # type: ignore[arg-type]
    assert Engine(cluster=Cluster()).workers == 0  # of this machine
    for wrong in ({"processes": 2}, {"devices": ("cpu",)}):
        with pytest.raises(MisuseError, match="the actors of a cluster are its processes"):
            Engine(cluster=Cluster(), **wrong)
    with pytest.raises(MisuseError, match="cluster=7: expected a Cluster"):
        Engine(cluster=7)  # type: ignore[arg-type]


class Ray:
    """Has these nodes."""

    def __init__(self, *nodes: dict[str, float], lost: tuple[dict[str, float], ...] = ()) -> None:
        self._nodes = [{"Alive": True, "Resources": node} for node in nodes]
        self._nodes += [{"Alive": False, "Resources": node} for node in lost]

    def nodes(self) -> list[dict[str, Any]]:
        return self._nodes


EIGHT = {"CPU": 64.0, "GPU": 8.0, "accelerator_type:H100": 1.0}
FOUR = {"CPU": 6.0, "GPU": 4.0, "accelerator_type:A100": 1.0}


@pytest.mark.parametrize(
    ("settings", "room"),
    [
        ({}, 70),
        ({"cpus": 4}, 17),
        ({"gpus": 1}, 12),
        ({"gpus": 0.5}, 16 + 6),  # the CPUs of the second node are fewer than the halves of its GPUs
        ({"gpus": 0.3}, 24 + 6),  # three on each GPU: a share lies on one
        ({"gpus": 8}, 1),
        ({"gpus": 3}, 3),
        ({"gpus": 1, "actors": 5}, 5),
    ],
)
def test_there_are_as_many_actors_as_nodes_have_room_for(
    settings: dict[str, Any], room: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTEST_XDIST_WORKER_COUNT", raising=False)
    ray = Ray(EIGHT, FOUR, lost=(EIGHT,))
    assert connection.room(ray, Cluster(**settings)) == room


def test_the_workers_of_xdist_share_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_XDIST_WORKER_COUNT", "3")
    assert connection.room(Ray(EIGHT), Cluster(gpus=1)) == 2
    assert (
        connection.room(Ray(EIGHT), Cluster(gpus=1, actors=7)) == 2
    )  # else all of them together would wait for places
    monkeypatch.setenv("PYTEST_XDIST_WORKER_COUNT", "30")
    assert connection.room(Ray(EIGHT), Cluster(gpus=1)) == 1


def test_an_actor_that_no_node_has_room_for_is_refused() -> None:
    with pytest.raises(
        MisuseError, match=r"room for an actor with 1 CPU and 9 GPU: they have 64 CPUs, 8 GPUs; 6 CPUs, 4"
    ):
        connection.room(Ray(EIGHT, FOUR), Cluster(gpus=9))


def test_kinds_of_gpus_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Answers of two kinds differ in the last digits: they are not to be found under one key of the cache."""
    assert connection.kinds(Ray(EIGHT, FOUR, EIGHT)) == ["A100", "H100"]
    monkeypatch.setattr(connection, "connected", lambda cluster: Ray(EIGHT))
    assert Engine(cluster=Cluster(gpus=1)).policy == "together on cuda H100"
    assert Engine(cluster=Cluster(), deterministic=True).policy == Engine(deterministic=True).policy == "one at a time"
