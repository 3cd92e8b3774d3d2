"""Asking about many examples at once although a test asks about one after the other: plan, answer, replay.

    with Planning() as planning:
        with planning.postponing():
            …                       each example runs up to the first question whose answer is not known; it is noted
        planning.answer()           all that was noted, in as few calls of the model as it takes
        …                           the same examples: what they ask is known now

What is noted ends the example, by an exception that is no `Exception`: a test's own `except Exception` must not take it for an
answer of the model. Whatever becomes of an example in a plan is thrown away; only answers are kept.

Standard library only: the memo, which the plugin loads at start-up, looks here first.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from pytest_llm.errors import MisuseError

if TYPE_CHECKING:
    from pytest_llm.inference.engine import Engine

Outputs: TypeAlias = dict[Hashable, Any]


class PostponedError(BaseException):
    """The question is noted and will be answered with others: this example ends here."""


@dataclass
class Noted:
    """Questions that can be asked together, each once."""

    ask: Callable[[Sequence[Any]], object]
    """Asks about some of them, and remembers the answers."""
    engine: Engine
    items: Outputs = field(default_factory=dict)


class Planning:
    """What one test asks its models. Bound for the length of a `with` block.

    The state of a model is read when it is first asked and when the block ends, not at each question.

    Raises:
        MisuseError: at the end of the block, if a model has changed meanwhile: its answers would be those of another.
    """

    def __init__(self) -> None:
        self._noted: dict[Hashable, Noted] | None = None
        self._plan: dict[Hashable, Noted] = {}
        self._states: dict[int, tuple[object, Hashable | None]] = {}
        self._outputs: dict[Hashable, tuple[Outputs, Outputs]] = {}
        self.questions = 0
        """How many were answered from plans."""
        self.rounds = 0
        """How many plans they were answered from."""
        self.hits = 0
        """How often the answer to a question was known while others were noted."""

    def __enter__(self) -> Planning:
        self._token = _current.set(self)
        return self

    def __exit__(self, failed: type[BaseException] | None, *_: object) -> None:
        _current.reset(self._token)
        changed = [
            model
            for state, model in {state: model for model, state in self._states.values() if state is not None}.items()
            if state_of(model) != state
        ]
        if not changed:
            for own, shared in self._outputs.values():
                shared.update(own)
        elif failed is None:
            raise MisuseError(
                f"{type(changed[0]).__name__} changed while its answers were looked up: leave the marker llm_batch out where "
                f"a test changes its model"
            )

    @contextmanager
    def postponing(self) -> Iterator[None]:
        """Within the block, what is not known is noted for `answer`."""
        self._noted = self._plan = {}
        try:
            yield
        finally:
            self._noted = None

    @property
    def is_postponing(self) -> bool:
        return self._noted is not None

    def postpone(self, kind: Hashable, noted: Noted) -> None:
        """Take questions into the plan.

        Args:
            kind: what they are asked of, and how: questions of one kind are asked together.
            noted: these questions.

        Raises:
            PostponedError: always.
        """
        assert self._noted is not None, "questions are answered at once"
        self._noted.setdefault(kind, Noted(noted.ask, noted.engine)).items.update(noted.items)
        raise PostponedError

    def answer(self) -> int:
        """Ask what was noted; returns how many questions that were. What cannot be answered is left to the example that asks it."""
        from pytest_llm.inference.engine import using  # not at start-up

        plan, self._plan = self._plan, {}
        for noted in plan.values():
            with using(noted.engine):
                _ask_in_parts(noted.ask, list(noted.items.values()))
        count = sum(len(noted.items) for noted in plan.values())
        self.questions += count
        self.rounds += bool(count)
        return count

    def state_of(self, model: object) -> Hashable | None:
        """What the model was when it was first asked here; None if that cannot be told."""
        if id(model) not in self._states:
            self._states[id(model)] = model, state_of(model)  # kept alive, so that no other gets its id
        return self._states[id(model)][1]

    def outputs(self, model: object, request: Hashable, shared: Outputs) -> Outputs:
        """What is known of a model, to read and to add to; it is added to what others share at the end of the block."""
        kind = self.name_of(model), request
        if kind not in self._outputs:
            self._outputs[kind] = dict(shared), shared
        return self._outputs[kind][0]

    def name_of(self, model: object) -> Hashable:
        """What tells a model from others: its state, or that it is this object."""
        state = self.state_of(model)
        return id(model) if state is None else state


def state_of(model: object) -> Hashable | None:
    """What tells a model from itself at another time; None where it does not say."""
    for name in ("fingerprint", "cache_key"):
        if (own := getattr(model, name, None)) is not None:
            state: Hashable | None = own()
            return state
    return None


def _ask_in_parts(ask: Callable[[Sequence[Any]], object], items: Sequence[Any]) -> None:
    """Ask about all of them; where that fails, about each half, so that one bad text costs the others little."""
    try:
        ask(items)
    except Exception:  # whatever a model says to a text: the example that asks will hear it
        if len(items) > 1:
            _ask_in_parts(ask, items[: len(items) // 2])
            _ask_in_parts(ask, items[len(items) // 2 :])


_current: ContextVar[Planning | None] = ContextVar("pytest_llm_planning", default=None)


def current_planning() -> Planning | None:
    """The one that is bound; None where questions are asked as they come."""
    return _current.get()
