"""How a model is asked: all at once (the default), one thing at a time, by several processes, by a launcher's, or by a Ray cluster.

Which texts stand in one batch changes the last bits of floating-point results: for SmolLM2-135M in float32 the perplexity of a text
by less than one part in a hundred thousand. The plan is fixed, so a second run gives the same bits; but another set of texts
makes another plan. `deterministic=True` asks about one thing at a time, so that an answer depends on nothing else.

The plugin binds an engine for the test session; an assertion's `engine=` wins over it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from pytest_llm.binding import bound
from pytest_llm.errors import MisuseError
from pytest_llm.inference.cluster.settings import Cluster


@dataclass(frozen=True, slots=True)
class Engine:
    """How model calls are made.

    Args:
        deterministic: ask about one text at a time: slower, and no answer depends on which other texts were asked about.
        processes: how many processes share the work, each with its part of the cores. On CPUs they share one copy of the weights.
        devices: one process for each of these devices, such as ("cuda:0", "cuda:1"), each with a copy of the weights.
        ranks: the processes that a launcher such as torchrun has started share the work, in a session with --llm-engine ranks.
        cluster: actors of a Ray cluster that share the work, such as Cluster(gpus=1); a text stands for Cluster(address).

    Raises:
        MisuseError: processes, devices, ranks and a cluster that contradict each other.
    """

    deterministic: bool = False
    processes: int = 1
    devices: tuple[str, ...] = ()
    ranks: bool = False
    cluster: Cluster | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "devices", (self.devices,) if isinstance(self.devices, str) else tuple(self.devices))
        if isinstance(self.cluster, str):
            object.__setattr__(self, "cluster", Cluster(self.cluster))
        if self.cluster is not None and not isinstance(self.cluster, Cluster):
            raise MisuseError(f"cluster={self.cluster!r}: expected a Cluster, such as Cluster(gpus=1), or its address")
        if isinstance(self.processes, bool) or not isinstance(self.processes, int) or self.processes < 1:
            raise MisuseError(f"processes={self.processes!r}: expected a whole number, at least 1")
        if self.devices and self.processes not in (1, len(self.devices)):
            raise MisuseError(
                f"processes={self.processes} and {len(self.devices)} devices: there is one process for each device, "
                f"so leave processes out"
            )
        if self.ranks and (self.devices or self.processes != 1):
            raise MisuseError("the launcher's ranks are the processes: leave processes and devices out")
        if self.cluster is not None and (self.devices or self.processes != 1 or self.ranks):
            raise MisuseError("the actors of a cluster are its processes: leave processes, devices and ranks out")

    @property
    def workers(self) -> int:
        """How many processes there are besides this one; 0: this one does the work, if need be with ranks or a cluster."""
        count = max(self.processes, len(self.devices))
        return count if count > 1 or self.devices else 0

    @property
    def policy(self) -> str:
        """What of it an answer depends on: whether texts are asked together, and on which kinds of devices."""
        kinds = sorted(set(map(_kind_of, self.devices)))
        if self.cluster is not None and self.cluster.gpus:
            from pytest_llm.inference.cluster.asking import gpu_kinds

            kinds = [f"cuda {kind}" for kind in gpu_kinds(self.cluster)]
        return " on ".join(["one at a time" if self.deterministic else "together", *kinds])


def _kind_of(device: str) -> str:
    """A GPU by its name: two kinds of them differ in the last bits."""
    kind, _, index = device.partition(":")
    if kind == "cuda":
        import torch

        if int(index or 0) < torch.cuda.device_count():
            return f"cuda {torch.cuda.get_device_name(int(index or 0))}"
    return kind


_current: ContextVar[Engine] = ContextVar("pytest_llm_engine", default=Engine())  # noqa: B039  # it is frozen


def current_engine() -> Engine:
    """The engine that is bound now."""
    return _current.get()


@contextmanager
def using(engine: Engine | None) -> Iterator[None]:
    """Bind an engine for the length of a `with` block; None leaves what is bound."""
    if engine is None:
        yield
        return
    if not isinstance(engine, Engine):
        raise MisuseError(f"engine={engine!r}: expected an Engine, such as Engine(deterministic=True)")
    with bound(_current, engine):
        yield


def ask(model: Any, method: str, items: Sequence[Any], **settings: Any) -> list[Any]:
    """`model.method(items, **settings)`, one answer for each item, in the way that the bound engine says.

    Raises:
        MisuseError: the method gives anything but one answer for each item.
    """
    engine = current_engine()
    # a served model is asked about many things at once anyway
    elsewhere = getattr(model, "is_elsewhere", False)
    if engine.cluster is not None and not elsewhere:
        from pytest_llm.inference.cluster.asking import ask_actors

        return ask_actors(engine.cluster, model, method, items, settings, deterministic=engine.deterministic)
    if engine.ranks and not elsewhere:
        from pytest_llm.inference.ranks import ask_ranks

        return ask_ranks(model, method, items, settings, deterministic=engine.deterministic)
    if engine.workers and not elsewhere:
        from pytest_llm.inference.processes import ask_workers

        return ask_workers(engine, model, method, items, settings)
    return ask_here(model, method, items, settings, deterministic=engine.deterministic)


def ask_here(
    model: Any, method: str, items: Sequence[Any], settings: Mapping[str, Any], *, deterministic: bool
) -> list[Any]:
    """Ask in this process."""
    bound = getattr(model, method)
    if not deterministic:
        return _answers(model, method, bound(items, **settings), len(items))
    return [_answers(model, method, bound([item], **settings), 1)[0] for item in items]


def _answers(model: Any, method: str, given: Any, expected: int) -> list[Any]:
    if not isinstance(given, Iterable):
        raise MisuseError(f"{type(model).__name__}.{method} returned {given!r}; expected one answer for each text")
    answers = list(given)
    if len(answers) != expected:
        raise MisuseError(f"{type(model).__name__}.{method} returned {len(answers)} results for {expected} texts")
    return answers
