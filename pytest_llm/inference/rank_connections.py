"""How the ranks of a launch find each other: through the store that the launcher gave them, then over a connection of their own.

The first rank listens, on the loopback where all ranks are on its machine, and puts address and secret into the store. Whoever
connects has to say the secret before anything of what it sends is unpickled. A peer that ends is noticed at once, a machine that
vanishes within a minute (keep-alive).
"""

from __future__ import annotations

import hmac
import json
import secrets
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from multiprocessing.connection import Connection
from typing import Any

from pytest_llm.errors import MisuseError

WAIT = timedelta(minutes=5)
"""For ranks that are still starting, and for the first question."""
_MEETING = "pytest_llm/meeting"
_KERNELS = "pytest_llm/kernels"
_SECRET_BYTES = 32
_KEEP_ALIVE = {"TCP_KEEPIDLE": 20, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 3}


@dataclass(frozen=True, slots=True)
class Launch:
    """What a launcher tells each process in its environment."""

    rank: int
    size: int
    local_rank: int
    local_size: int
    host: str
    """Of the first rank."""


def launch_of(environment: Mapping[str, str]) -> Launch | None:
    """None where no launcher started more than this process.

    Raises:
        MisuseError: variables that contradict each other.
    """
    names = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
    if not all(environment.get(name) for name in names):
        return None
    try:
        rank, size = int(environment["RANK"]), int(environment["WORLD_SIZE"])
        local = int(environment.get("LOCAL_RANK", rank))
        launch = Launch(rank, size, local, int(environment.get("LOCAL_WORLD_SIZE", 0)), environment["MASTER_ADDR"])
    except ValueError:
        raise MisuseError(
            f"RANK={environment['RANK']!r}, WORLD_SIZE={environment['WORLD_SIZE']!r}: no numbers"
        ) from None
    if not 0 <= rank < size:
        raise MisuseError(f"RANK={rank} of WORLD_SIZE={size}: ranks count from 0")
    return launch if size > 1 else None


def open_store(launch: Launch) -> Any:
    """What all ranks of the launch can write to and read from."""
    from torch.distributed import rendezvous  # type: ignore[attr-defined]  # in its __init__, and not in __all__

    store, _, _ = next(rendezvous("env://", launch.rank, launch.size, timeout=WAIT))
    return store


def wait_for_others(launch: Launch, store: Any) -> list[Connection]:
    """At the first rank: a connection with each of the others, in order.

    Raises:
        MisuseError: one of them does not come.
    """
    import torch

    alone = launch.local_size == launch.size
    secret = secrets.token_bytes(_SECRET_BYTES)
    found: dict[int, Connection] = {}
    with socket.create_server(("127.0.0.1" if alone else "", 0)) as server:
        server.settimeout(WAIT.total_seconds())
        host, port = "127.0.0.1" if alone else launch.host, server.getsockname()[1]
        told = {"host": host, "port": port, "secret": secret.hex(), "threads": torch.get_num_threads()}
        store.set(_MEETING, json.dumps(told))
        while len(found) < launch.size - 1:
            try:
                peer, _ = server.accept()
            except TimeoutError:
                missing = sorted(set(range(1, launch.size)) - set(found))
                raise MisuseError(
                    f"ranks {', '.join(map(str, missing))} of {launch.size} did not come within {WAIT}: was pytest started by the "
                    f"launcher on all of them, with --llm-engine ranks?"
                ) from None
            if (rank := _introduced(peer, secret)) is None:
                peer.close()
            else:
                found[rank] = Connection(peer.detach())
    return [found[rank] for rank in range(1, launch.size)]


def _introduced(peer: socket.socket, secret: bytes) -> int | None:
    """The rank of who knows the secret."""
    peer.settimeout(10)
    try:
        said = b""
        while len(said) < _SECRET_BYTES + 4:
            if not (more := peer.recv(_SECRET_BYTES + 4 - len(said))):
                return None
            said += more
    except OSError:
        return None
    if not hmac.compare_digest(said[:_SECRET_BYTES], secret):
        return None
    _keep_alive(peer)
    return int.from_bytes(said[_SECRET_BYTES:], "big")


def call_off(store: Any, status: int) -> None:
    """At the first rank: the session is over, and nothing was asked."""
    store.set(_MEETING, json.dumps({"status": status}))


def join(launch: Launch, store: Any, most: timedelta = timedelta(days=7)) -> Connection | int:
    """At another rank: the connection with the first one; or the status of its session, in which nothing was asked."""
    import torch

    store.wait([_MEETING], most)  # collecting, and tests before the first question, take what they take
    told = json.loads(store.get(_MEETING))
    if "status" in told:
        return int(told["status"])
    torch.set_num_threads(told["threads"])
    peer = socket.create_connection((told["host"], told["port"]), WAIT.total_seconds())
    peer.sendall(bytes.fromhex(told["secret"]) + launch.rank.to_bytes(4, "big"))
    _keep_alive(peer)
    return Connection(peer.detach())


def _keep_alive(peer: socket.socket) -> None:
    peer.settimeout(None)
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEP_ALIVE.items():
        if hasattr(socket, name):
            peer.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def agree_on_kernels(store: Any) -> None:
    """All ranks multiply with the kernel that the first of them found to be fastest: it does not matter who answers."""
    from pytest_llm.models import linear_kernels

    agree = partial(_agreed, store)
    for shape, kernel in linear_kernels.chosen.items():
        agree(shape, kernel)
    linear_kernels.agree = agree


def _agreed(store: Any, shape: Sequence[object], own: str) -> Any:
    won: bytes = store.compare_set(f"{_KERNELS}/{json.dumps(list(map(str, shape)))}", "", own)
    return won.decode()
