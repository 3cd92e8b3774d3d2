"""A Ray cluster of several nodes on this machine, for tests: on loopback, without a dashboard, and without a report of its use."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
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
        patch.setenv("RAY_ENABLE_AUTO_CONNECT", "0")
        import ray
        from ray.cluster_utils import Cluster as Nodes

        Cluster: Any = Nodes  # untyped in part

        cluster = Cluster(initialize_head=True, head_node_args={**NODE, "include_dashboard": False})
        try:
            for _ in range(nodes - 1):
                cluster.add_node(**NODE)
            patch.setenv("RAY_ADDRESS", cluster.address)
            patch.setenv("RAY_DEDUP_LOGS", "0")
            yield cluster
        finally:
            ray.shutdown()
            cluster.shutdown()


@pytest.fixture(scope="session")
def ray_cluster() -> Iterator[Any]:
    """Two nodes, for all tests of a process."""
    with started(2) as cluster:
        yield cluster


def processes() -> set[int]:
    """Of Ray, on this machine: nodes, heads and actors."""
    found = set()
    for entry in os.listdir("/proc"):
        if entry.isdecimal():
            try:
                with open(f"/proc/{entry}/cmdline", "rb") as file:
                    command = file.read()
            except OSError:  # it has ended
                continue
            if any(word in command for word in (b"raylet", b"gcs_server", b"ray::")):
                found.add(int(entry))
    return found
