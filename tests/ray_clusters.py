"""A Ray cluster of several nodes on this machine, for tests: on loopback, without a dashboard, and without a report of its use."""

from __future__ import annotations

import gc
import signal
import warnings
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

NODE: dict[str, Any] = {"num_cpus": 1, "object_store_memory": 80 * 2**20}


@contextmanager
def started(nodes: int) -> Iterator[Any]:
    """A `ray.cluster_utils.Cluster` with so many nodes of a CPU; RAY_ADDRESS leads there within the block."""
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Ray's own modules, some at import: nothing that we could mend
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        # by default actors give way to whatever else runs, such as other tests
        patch.setenv("RAY_worker_niceness", "0")
        import ray
        from ray.cluster_utils import Cluster as Nodes

        Cluster: Any = Nodes  # untyped in part

        cluster = Cluster(initialize_head=True, head_node_args={**NODE, "include_dashboard": False})
        try:
            for _ in range(nodes - 1):
                cluster.add_node(**NODE)
            patch.setenv("RAY_ADDRESS", cluster.address)
            yield cluster
        finally:
            ray.shutdown()
            cluster.shutdown()
            vars(cluster).clear()
            gc.collect()  # Ray leaves pipes and log files open: said here, where nobody listens


@pytest.fixture(scope="session")
def ray_cluster() -> Iterator[Any]:
    """Two nodes, for all tests of a process."""
    with started(2) as cluster:
        yield cluster


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Ray takes SIGTERM for itself in a process that uses it: after each test it is given back."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        return (yield)
    finally:
        if "ray_cluster" in getattr(item, "fixturenames", ()):
            signal.signal(signal.SIGTERM, before)
