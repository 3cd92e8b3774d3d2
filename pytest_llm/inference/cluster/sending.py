"""What goes to actors and comes back, as bytes: models with their weights beside them, work with models by name, and errors.

Plain pickle: a class travels by its name, so that the actor runs the code that is installed there, or says that it is not.
Weights are arrays beside the pickle. Ray keeps these in its object store, one copy a node, which the actors there read in place.
"""

from __future__ import annotations

import io
import pickle
import sys
import traceback
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_llm.errors import MisuseError

_TENSOR, _MODEL = "tensor", "model"


@dataclass(frozen=True)
class Sent:
    """A model without its weights, and these."""

    pickled: bytes
    weights: list[NDArray[np.uint8]]


class _Pickler(pickle.Pickler):
    """Leaves out weights, and models that the other side has by name."""

    def __init__(self, file: io.BytesIO, names: Mapping[int, str]) -> None:
        super().__init__(file, protocol=5)
        self.names = names
        self.weights: list[NDArray[np.uint8]] = []
        self._places: dict[int, int] = {}
        self._alive: list[object] = []

    def persistent_id(self, value: Any) -> Any:
        if (name := self.names.get(id(value))) is not None:
            return _MODEL, name
        if not _is_plain_weight(value):
            return None
        import torch

        if id(value) not in self._places:
            self._places[id(value)] = len(self.weights)
            self._alive.append(value)  # so that no other gets its id
            self.weights.append(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
        return _TENSOR, self._places[id(value)], value.dtype, tuple(value.shape), value.requires_grad


class _Unpickler(pickle.Unpickler):
    def __init__(self, data: bytes, weights: list[NDArray[np.uint8]], models: Mapping[str, Any]) -> None:
        super().__init__(io.BytesIO(data))
        self.weights, self.models = weights, models
        self._made: dict[int, Any] = {}

    def persistent_load(self, told: Any) -> Any:
        kind, place, *how = told
        if kind == _MODEL:
            return self.models[place]
        import torch

        if place not in self._made:  # tied weights are one
            dtype, shape, requires_grad = how
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # the array is read-only: nobody trains in an actor
                flat = torch.from_numpy(self.weights[place])
            tensor = flat.view(dtype).reshape(shape)
            self._made[place] = torch.nn.Parameter(tensor, requires_grad=requires_grad)
        return self._made[place]


def _is_plain_weight(value: object) -> bool:
    torch = sys.modules.get("torch")  # models that do without it are not to wait for it
    if torch is None or not isinstance(value, torch.nn.Parameter):
        return False
    from pytest_llm.models.fingerprint import are_plain

    return are_plain([value])


def packed_model(model: Any) -> Sent:
    """The model, to be sent.

    Raises:
        MisuseError: something that it holds cannot be sent.
    """
    file = io.BytesIO()
    pickler = _Pickler(file, {})
    _dump(pickler, model, f"{type(model).__name__} cannot be sent to the actors of a cluster")
    return Sent(file.getvalue(), pickler.weights)


def unpacked_model(sent: Sent) -> Any:
    """The model again; its weights lie where they were sent to."""
    return _load(_Unpickler(sent.pickled, sent.weights, {}))


def packed_work(compute: Callable[..., Any], names: Mapping[int, str]) -> bytes:
    """A function with its settings; models among these, told by their `id`, go by their names."""
    file = io.BytesIO()
    _dump(_Pickler(file, names), compute, "the question cannot be sent to the actors of a cluster")
    return file.getvalue()


def unpacked_work(data: bytes, models: Mapping[str, Any]) -> Callable[..., Any]:
    work: Callable[..., Any] = _load(_Unpickler(data, [], models))
    return work


def packed_items(items: Sequence[Any]) -> bytes:
    """The items of a stretch, to be sent."""
    return pickle.dumps(list(items), protocol=5)


def unpacked_items(data: bytes) -> list[Any]:
    """The items again."""
    items: list[Any] = pickle.loads(data)
    return items


@dataclass(frozen=True)
class Joined:
    """Answers that are rows of numbers, in one array: read seven times as fast as one array for each."""

    numbers: NDArray[Any]
    lengths: list[int]


def joined(answers: list[Any]) -> list[Any] | Joined:
    """Rows of numbers of one type as one array; all other answers as they are."""
    kinds = {answer.dtype if type(answer) is np.ndarray and answer.ndim == 1 else None for answer in answers}
    if len(kinds) != 1 or None in kinds:
        return answers
    return Joined(np.concatenate(answers), list(map(len, answers)))


def separate(answers: list[Any] | Joined) -> list[Any]:
    """An answer for each item again."""
    if not isinstance(answers, Joined):
        return answers
    return [answers.numbers[first:end] for first, end in pairwise(accumulate(answers.lengths, initial=0))]


def packed_result(work: Callable[[], Any]) -> bytes:
    """What the function returns, or what it raises, to be sent back."""
    try:
        return pickle.dumps((work(), None, ""), protocol=5)
    except Exception as error:  # whatever the model raises is for the driver to raise
        trace = traceback.format_exc()
        try:
            pickled = pickle.dumps((None, error, trace), protocol=5)
            pickle.loads(pickled)  # some can be written down and not read
        except Exception:
            pickled = pickle.dumps((None, RuntimeError(f"{type(error).__name__}: {error}"), trace), protocol=5)
        return pickled


class ActorTraceback(Exception):
    """Stands behind an error that came from an actor: where there it was raised."""

    def __str__(self) -> str:
        return f"\n{self.args[0]}"


def unpacked_result(data: bytes) -> Any:
    """What was returned.

    Raises:
        Exception: what was raised.
    """
    value, error, trace = pickle.loads(data)
    if error is None:
        return value
    if isinstance(error, MisuseError):
        raise error from None  # it says what is wrong
    raise error from ActorTraceback(trace)


def _dump(pickler: pickle.Pickler, value: object, complaint: str) -> None:
    try:
        pickler.dump(value)
    except Exception as error:  # whatever a model holds decides what is raised
        raise MisuseError(f"{complaint} ({error})") from error


def _load(unpickler: pickle.Unpickler) -> Any:
    try:
        return unpickler.load()
    except (ImportError, AttributeError) as error:
        raise MisuseError(
            f"an actor of the cluster cannot import what it was sent ({error}): define it in a module that is installed on all "
            f"nodes, not in a test file"
        ) from error
