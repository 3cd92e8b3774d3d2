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
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

if TYPE_CHECKING:
    from pytest_llm.data.example import Example

Item = TypeVar("Item")
Output = TypeVar("Output")
Outputs: TypeAlias = dict[Hashable, Any]

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
    items: Sequence[Item],
    request: Hashable,
    compute: Callable[[list[Item]], list[Output]],
    key: Callable[[Item], Hashable],
) -> list[Output]:
    """The output for each item, computed only where it is not known yet; items with equal keys are computed once.

    Args:
        model: asked for `fingerprint()`, if it has that.
        items: any number of examples, prompts or pairs.
        request: what is asked of the model.
        compute: gives the outputs for the items that it is handed.
        key: all of an item that the output depends on.
    """
    memo, fingerprint = _current.get(), getattr(model, "fingerprint", None)
    state = fingerprint() if memo is not None and fingerprint is not None else None
    known: Outputs = {}
    if memo is not None and state is not None:
        from pytest_llm.inference.engine import current_engine  # not at start-up

        known = memo.outputs(state, (request, current_engine().deterministic))
    missing: dict[Hashable, Item] = {}
    for item in items:
        if key(item) not in known:
            missing.setdefault(key(item), item)
    if missing:
        for item, output in zip(missing.values(), compute(list(missing.values())), strict=True):
            if hasattr(output, "flags"):
                output.flags.writeable = False  # an array that is handed out more than once
            known[key(item)] = output
    return [known[key(item)] for item in items]
