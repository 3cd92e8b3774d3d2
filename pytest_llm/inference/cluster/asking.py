"""What engines ask of a cluster: its actors are opened with the first question, and stay until the session ends."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from pytest_llm.inference.cluster import connection
from pytest_llm.inference.cluster.pool import Pool
from pytest_llm.inference.cluster.settings import Cluster
from pytest_llm.inference.engine import ask

STRETCHES_PER_ACTOR = 2
"""Work that is cut evenly is cut into so many for each, so that none waits long for the last one."""

_pools: dict[Cluster, Pool] = {}


def answers(
    cluster: Cluster,
    model: Any,
    compute: Callable[..., list[Any]],
    stretches: Iterable[Sequence[Any]],
    *,
    deterministic: bool,
) -> Iterator[tuple[int, list[Any]]]:
    """The number of each stretch with what `compute` gives for the model and its items, as they come; see `Pool.answers`."""
    others = [value for value in getattr(compute, "keywords", {}).values() if hasattr(value, "next_token_log_probs")]
    return _pool(cluster).answers(compute, model, stretches, deterministic=deterministic, others=others)


def ask_actors(
    cluster: Cluster, model: Any, method: str, items: Sequence[Any], settings: Mapping[str, Any], *, deterministic: bool
) -> list[Any]:
    """`model.method(items, **settings)`, the items shared evenly among the actors; in their order."""
    size = max(1, -(-len(items) // (STRETCHES_PER_ACTOR * actors(cluster))))
    stretches = [items[start : start + size] for start in range(0, len(items), size)]
    compute = partial(_ask, method=method, settings=dict(settings))
    found = dict(_pool(cluster).answers(compute, model, stretches, deterministic=deterministic))
    return [answer for number in range(len(stretches)) for answer in found[number]]


def _ask(model: Any, items: list[Any], method: str, settings: Mapping[str, Any]) -> list[Any]:
    return ask(model, method, items, **settings)


def actors(cluster: Cluster) -> int:
    """How many actors share the work."""
    return _pool(cluster).size


def gpu_kinds(cluster: Cluster) -> list[str]:
    """The kinds of GPU that answers come from; none where actors compute on CPUs."""
    return connection.kinds(connection.connected(cluster)) if cluster.gpus else []


def _pool(cluster: Cluster) -> Pool:
    if cluster not in _pools or not _pools[cluster].is_connected:
        close()  # what other actors have is taken from these
        _pools[cluster] = Pool(cluster)
    return _pools[cluster]


def close() -> None:
    """End all actors; the next question starts new ones."""
    while _pools:
        _pools.popitem()[1].close()


@contextmanager
def closing() -> Iterator[None]:
    """A `with` block that ends all actors when it ends, and the connection with the cluster if it was made here."""
    try:
        yield
    finally:
        close()
        connection.disconnect()
