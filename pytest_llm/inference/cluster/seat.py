"""The actor: a process of the cluster that holds models and answers about stretches of items."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from pytest_llm.errors import MisuseError
from pytest_llm.inference.cluster.sending import (
    Sent,
    joined,
    packed_result,
    unpacked_items,
    unpacked_model,
    unpacked_work,
)
from pytest_llm.inference.engine import Engine, using
from pytest_llm.models.origin import Origin, place_of, placeless_key

MOST_HELD = 2
"""Models in an actor: the one under test, and what it is compared with. The one that came first goes first."""


@dataclass(frozen=True)
class Held:
    """What an actor has after it was given a model."""

    names: tuple[str, ...]
    place: str
    """Where the model computes there; see `models.origin.place_of`."""


class Seat:
    """What runs in an actor.

    Args:
        threads: how many it computes with.
        on_gpu: whether its models go to the GPU that it was given.
        agree: what decides for all of them which kernel multiplies (`models.linear_kernels`).
        spread: how models are spread over its devices, by a word of accelerate; None: they go to one.
    """

    def __init__(self, threads: int, on_gpu: bool, agree: Callable[[Any, Any], Any], spread: str | None = None) -> None:
        self._threads, self._on_gpu, self._agree, self._spread = threads, on_gpu, agree, spread
        self._models: dict[str, Any] = {}

    def environment(self) -> bytes:
        """Of this process; see `environment`."""
        return packed_result(environment)

    def hold(self, name: str, key: str | None, given: Origin | Sent) -> bytes:
        """Take a model, by that name; the result is what is held then: without it if its key is another one."""
        return packed_result(lambda: self._hold(name, key, given))

    def answer(self, work: bytes, items: bytes, deterministic: bool) -> bytes:
        """Do the work about the items: one answer for each."""
        return packed_result(lambda: joined(self._answer(work, items, deterministic)))

    def _hold(self, name: str, key: str | None, given: Origin | Sent) -> Held:
        self._models.pop(name, None)
        while len(self._models) >= MOST_HELD:
            del self._models[next(iter(self._models))]
        try:
            model = self._made(key, given)
        except Exception as error:
            from pytest_llm.models.memory import is_out_of_memory

            if not self._models or not any(is_out_of_memory(one) for one in (error, error.__cause__) if one):
                raise
            self._models.clear()
            model = self._made(key, given)
        if model is None:
            return Held(tuple(self._models), "")
        self._models[name] = model
        return Held(tuple(self._models), place_of(model))

    def _made(self, key: str | None, given: Origin | Sent) -> Any:
        """The model, where it computes; None if its key is another one."""
        model = unpacked_model(given) if isinstance(given, Sent) else given.load(device="cpu")
        if placeless_key(model) != key:
            return None
        if hasattr(model, "module"):
            self._settle(model)
        return model

    def _settle(self, model: Any) -> None:
        """Put the model where it computes."""
        import torch

        from pytest_llm.models import linear_kernels

        linear_kernels.agree = self._agree
        torch.set_num_threads(self._threads)  # loading may have set it
        if self._spread is not None:
            from pytest_llm.models.placement import spread

            spread(model.module, self._spread)
        elif self._on_gpu:
            model.module.to("cuda")

    def _answer(self, work: bytes, items: bytes, deterministic: bool) -> list[Any]:
        compute = unpacked_work(work, self._models)
        with using(Engine(deterministic=deterministic)):
            return list(compute(unpacked_items(items)))


def environment() -> Mapping[str, str]:
    """What answers depend on besides the model: to be the same in every process that answers."""
    from pytest_llm.inference.cache import own_code

    found = {name: version(name) for name in ("torch", "transformers", "tokenizers", "numpy")}
    found["Python"] = ".".join(platform.python_version_tuple()[:2])
    found["pytest-llm-regression"] = own_code()[:12]
    return found


def refuse_other_environment(own: Mapping[str, str], other: Mapping[str, str]) -> None:
    """Raise MisuseError for an actor that would compute otherwise."""
    differing = [
        f"{name} {other.get(name)} there, {value} here" for name, value in own.items() if other.get(name) != value
    ]
    if differing:
        raise MisuseError(
            f"a node of the Ray cluster would compute otherwise than this process ({'; '.join(differing)}): nodes need the same "
            f"versions, and the device that the model is on here"
        )
