"""When the time for a measurement is over before all examples are answered: what is known is said, and nothing is judged."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any, TypeAlias

from pytest_llm.data.example import Example
from pytest_llm.errors import BudgetError, MisuseError
from pytest_llm.inference.answering import answer
from pytest_llm.inference.memo import remembering
from pytest_llm.inference.planning import Planning, PostponedError, current_planning
from pytest_llm.inference.time_budget import is_limited
from pytest_llm.judging.measurement import Measurement, interval_of
from pytest_llm.models.language_model import AnyModel
from pytest_llm.recording import afresh
from pytest_llm.tasks.task import Task
from pytest_llm.wording import number

Conclude: TypeAlias = Callable[[tuple[Example, ...], Sequence[Any]], Measurement]


@contextmanager
def accounting(
    model: AnyModel, examples: Sequence[Example], task: Task, conclude: Conclude, *, in_order: bool
) -> Iterator[None]:
    """A `with` block that asks about examples: a BudgetError that leaves it says how many are answered, and their value so far.

    Args:
        model: what is asked.
        examples: all of them.
        task: what it is asked.
        conclude: makes the measurement of examples and their outputs.
        in_order: the examples are asked about as they come, so that those that are known may have an interval.
    """
    if not is_limited():
        yield
        return
    with ExitStack() as bound:
        planning = current_planning() or bound.enter_context(Planning())  # answers are to be found again below
        try:
            yield
        except BudgetError as error:
            outputs = _known(planning, model, examples, task) if error.outputs is None else error.outputs
            error.known = f"{len(outputs)} of {len(examples)} examples answered"
            if outputs:
                answered = tuple(examples[place] for place in outputs)
                error.so_far = _so_far(answered, list(outputs.values()), conclude, in_order=in_order)
            raise


def _known(planning: Planning, model: AnyModel, examples: Sequence[Example], task: Task) -> dict[int, Any]:
    """The outputs that need no more asking, by the place of their example."""
    found = {}
    with remembering(), planning.postponing():  # the disk was looked at when the question began
        for place, example in enumerate(examples):
            try:
                (found[place],) = answer(model, [example], task)
            except (
                PostponedError,
                MisuseError,
            ):  # not known; or not to be answered at all, which the whole run would say
                continue
    return found


def _so_far(examples: tuple[Example, ...], outputs: Sequence[Any], conclude: Conclude, *, in_order: bool) -> str:
    try:
        with afresh():  # it is no result of the test
            measurement = conclude(examples, outputs)
    except MisuseError as error:  # a metric that needs more of them, or other ones
        return f"no value: {error}"
    if not in_order:
        reason = "documents are drawn in proportion to their size"
        measurement = replace(measurement, estimate=None, without_interval=reason)
    interval = interval_of(measurement).replace("none: ", "no interval: ", 1)
    return f"{measurement.metric} {number(measurement.value)} on these {measurement.n}; {interval}"
