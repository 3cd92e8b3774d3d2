"""The one connection that a process has with a Ray cluster: made when it is first needed, closed when the session ends."""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from pytest_llm.errors import MisuseError
from pytest_llm.inference.cluster.settings import Cluster
from pytest_llm.wording import counted

_GPU_KIND = "accelerator_type:"
_CTRL_C = signal.default_int_handler
_made: str | None = None
"""The address of the connection that was made here; None where there is none, or somebody else made it."""


def connected(cluster: Cluster) -> Any:
    """The module `ray`, connected. A connection that the process has already is used, whoever made it.

    Raises:
        MisuseError: Ray is not installed, no cluster is there, or this process made a connection with another one.
    """
    global _made
    ray = _imported()
    if ray.is_initialized():
        if _made not in (None, cluster.address):
            raise MisuseError(
                f"address={cluster.address!r}: this process is connected with the Ray cluster at {_made!r}, and a process has one"
            )
        return ray
    # nothing of the workers' logs in the output of tests
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    try:
        with _signal_kept():
            if cluster.address == "local":
                with _without_telemetry():
                    ray.init("local", include_dashboard=False, **quiet)
            else:
                ray.init(cluster.address, **quiet)
    except (ConnectionError, ValueError, RuntimeError) as error:
        reason = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise MisuseError(
            f"no Ray cluster at address={cluster.address!r} ({reason}): start one with `ray start --head`, or give "
            f"'local' for one on this machine"
        ) from error
    _made = cluster.address
    return ray


def disconnect() -> None:
    """End the connection if it was made here; a cluster that was started for it ends too."""
    global _made
    if _made is not None:
        _made = None
        _imported().shutdown()
        if signal.getsignal(signal.SIGTERM) is _CTRL_C and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, signal.SIG_DFL)


def room(ray: Any, cluster: Cluster) -> int:
    """How many actors there are to be: as asked, else what all nodes have room for; either is shared among xdist workers.

    Raises:
        MisuseError: no node has room for one.
    """
    nodes = _nodes(ray)
    places = sum(_places_on(resources, cluster) for resources in nodes)
    if not places:
        found = "; ".join(f"{node.get('CPU', 0):g} CPUs, {node.get('GPU', 0):g} GPUs" for node in nodes)
        raise MisuseError(f"no node of the Ray cluster has room for an actor with {demand(cluster)}: they have {found}")
    return max(1, (places if cluster.actors is None else cluster.actors) // workers())


def workers() -> int:
    """How many processes of pytest-xdist share the cluster."""
    return int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", 1))


def demand(cluster: Cluster) -> str:
    """What an actor takes, in words."""
    return counted(cluster.cpus, "CPU") + f" and {cluster.gpus:g} GPU" * bool(cluster.gpus)


def kinds(ray: Any) -> list[str]:
    """The kinds of GPU of the cluster, by Ray's names: two of them differ in the last bits."""
    return sorted({name.removeprefix(_GPU_KIND) for node in _nodes(ray) for name in node if name.startswith(_GPU_KIND)})


def _nodes(ray: Any) -> list[Mapping[str, float]]:
    """What each node has that is alive."""
    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


def _places_on(node: Mapping[str, float], cluster: Cluster) -> int:
    by_cpus = int(node.get("CPU", 0) // cluster.cpus)
    if not cluster.gpus:
        return by_cpus
    gpus = int(node.get("GPU", 0))
    # an actor's share lies on one GPU
    by_gpus = gpus * int(1 / cluster.gpus + 1e-9) if cluster.gpus < 1 else gpus // int(cluster.gpus)
    return min(by_cpus, by_gpus)


def _imported() -> Any:
    try:
        import ray
    except ImportError:
        raise MisuseError("a Ray cluster needs Ray: pip install 'pytest-llm-regression[ray]'") from None
    return ray


@contextmanager
def _signal_kept() -> Iterator[None]:
    """A handler of SIGTERM stays. Without one it is Ctrl-C from here on, so that all of Ray ends with the session.

    Ray itself makes it a SystemExit, which pytest takes for one more test that fails, and goes on.
    """
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():  # elsewhere Ray cannot take it either
            signal.signal(signal.SIGTERM, _CTRL_C if before in (None, signal.SIG_DFL) else before)


@contextmanager
def _without_telemetry() -> Iterator[None]:
    """What Ray starts here reports its use to nobody, unless the user wants it to."""
    name = "RAY_USAGE_STATS_ENABLED"
    given = os.environ.get(name)
    os.environ.setdefault(name, "0")
    try:
        yield
    finally:
        if given is None:
            os.environ.pop(name, None)
