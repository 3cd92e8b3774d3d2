"""What of a Ray cluster is used. Standard library only: engines, which the options make, hold it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from pytest_llm.errors import MisuseError


@dataclass(frozen=True, slots=True)
class Cluster:
    """Actors of a Ray cluster, each with the model, for `Engine(cluster=…)`.

    Args:
        address: "auto" is the cluster of RAY_ADDRESS, else the one that runs on this machine (`ray start --head`); "local" starts
            one on this machine, which ends with this process; or the address of a head node, such as "10.0.0.1:6379".
        actors: how many; None: as many as the cluster has room for, shared among the workers of pytest-xdist.
        gpus: of each actor: 1, or a share of one, such as 0.5 where two actors share it; 0: it computes on CPUs.
        cpus: of each actor, and how many threads it computes with.

    Raises:
        MisuseError: a number that means nothing.
    """

    address: str = "auto"
    actors: int | None = None
    gpus: float = 0
    cpus: int = 1

    def __post_init__(self) -> None:
        if not isinstance(self.address, str) or not self.address or self.address.startswith("ray://"):
            raise MisuseError(
                f"address={self.address!r}: expected 'auto', 'local' or host:port; for ray:// run pytest on a node of the cluster"
            )
        if self.actors is not None and not _is_count(self.actors):
            raise MisuseError(f"actors={self.actors!r}: expected a whole number, at least 1")
        if not _is_count(self.cpus):
            raise MisuseError(f"cpus={self.cpus!r}: expected a whole number, at least 1")
        number = isinstance(self.gpus, int | float) and not isinstance(self.gpus, bool) and math.isfinite(self.gpus)
        if not number or self.gpus < 0 or (self.gpus > 1 and self.gpus != int(self.gpus)):
            raise MisuseError(f"gpus={self.gpus!r}: expected a share of a GPU, such as 0.5, or a whole number")


def _is_count(number: object) -> bool:
    return isinstance(number, int) and not isinstance(number, bool) and number >= 1
