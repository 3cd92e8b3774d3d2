"""What the model has already said in this session: the second test on the same model and texts makes no forward pass.

An answer is remembered under everything that it depends on: the model's fingerprint, which takes in every element of its
weights, the request, and the text (or what else is asked about: a source and its target). A model that has no fingerprint, or
gives None, is asked each time. The plugin binds a memo for the length of a test session; outside pytest nothing is
remembered. Standard library only: the plugin loads this at start-up.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from pytest_llm.data.example import Example
    from pytest_llm.statistics.jackknife import FloatArray

    Outputs: TypeAlias = dict[Hashable, FloatArray]

MOST_KEPT = 8
"""How many pairs of a model's state and a request are remembered; the one unused for longest goes first."""


class Memo:
    """Outputs by text or pair, for each pair of a model's state and a request."""

    def __init__(self) -> None:
        self._kept: dict[tuple[Hashable, Hashable], Outputs] = {}

    def outputs(self, state: Hashable, request: Hashable) -> Outputs:
        """What is known for this pair, to read and to add to."""
        found = self._kept.pop((state, request), {})
        self._kept[state, request] = found  # behind all others: the first is the one unused for longest
        while len(self._kept) > MOST_KEPT:
            del self._kept[next(iter(self._kept))]
        return found


def text_of(example: Example) -> Hashable:
    """What outputs are remembered under where only the text is asked about."""
    return example.text


_current: ContextVar[Memo | None] = ContextVar("pytest_llm_memo", default=None)


@contextmanager
def remembering() -> Iterator[Memo]:
    """Bind a fresh memo for the length of a `with` block."""
    memo = Memo()
    token = _current.set(memo)
    try:
        yield memo
    finally:
        _current.reset(token)


def remembered(
    model: object,
    examples: Sequence[Example],
    request: Hashable,
    compute: Callable[[list[Example]], list[FloatArray]],
    key: Callable[[Example], Hashable] = text_of,
) -> list[FloatArray]:
    """The output of each example, computed only where it is not known yet; examples with equal keys are computed once.

    Args:
        model: asked for `fingerprint()`, if it has that.
        examples: any number of examples.
        request: what is asked of the model.
        compute: gives the outputs of the examples that it is handed.
        key: all of an example that the output depends on.
    """
    memo, fingerprint = _current.get(), getattr(model, "fingerprint", None)
    state = fingerprint() if memo is not None and fingerprint is not None else None
    known: Outputs = {} if memo is None or state is None else memo.outputs(state, request)
    missing: dict[Hashable, Example] = {}
    for example in examples:
        if key(example) not in known:
            missing.setdefault(key(example), example)
    if missing:
        for example, output in zip(missing.values(), compute(list(missing.values())), strict=True):
            output.flags.writeable = False  # handed out more than once
            known[key(example)] = output
    return [known[key(example)] for example in examples]
