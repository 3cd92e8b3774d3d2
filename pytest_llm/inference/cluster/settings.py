"""What of a Ray cluster is used. Standard library only: engines, which the options make, hold it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from pytest_llm.errors import MisuseError

WORDS = ("auto", "balanced", "balanced_low_0", "sequential")
"""Of accelerate, for how a model is spread."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """Actors of a Ray cluster, each with the model, for `Engine(cluster=…)`.

    Args:
        address: "auto" is the cluster of RAY_ADDRESS, else the one that runs on this machine (`ray start --head`); "local" starts
            one on this machine, which ends with this process; or the address of a head node, such as "10.0.0.1:6379".
        actors: how many, of all workers of pytest-xdist together; None: as many as the cluster has room for.
        gpus: of each actor: 1, or a share of one, such as 0.5 where two actors share it; 0: it computes on CPUs.
        cpus: of each actor, and how many threads it computes with.
        device_map: how an actor spreads a model of `transformers` that is larger than its device, by accelerate: "auto" (its GPUs,
            then its node's memory), "balanced", "balanced_low_0", "sequential"; None: over its GPUs if it has several, else not.

    Raises:
        MisuseError: a number that means nothing.
    """

    address: str = "auto"
    actors: int | None = None
    gpus: float = 0
    cpus: int = 1
    device_map: str | None = None

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
        if self.device_map not in (None, *WORDS):
            raise MisuseError(f"device_map={self.device_map!r}: expected one of {', '.join(map(repr, WORDS))}")

    @property
    def spread(self) -> str | None:
        """How an actor spreads a model; None: it goes to one device."""
        return "auto" if self.device_map is None and self.gpus > 1 else self.device_map


def _is_count(number: object) -> bool:
    return isinstance(number, int) and not isinstance(number, bool) and number >= 1
