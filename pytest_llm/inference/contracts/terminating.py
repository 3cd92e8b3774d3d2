"""Coming to an end: what a model writes is over before so many tokens are written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pytest_llm.data.example import Example
from pytest_llm.errors import MisuseError
from pytest_llm.inference.answering import answer
from pytest_llm.judging.contract import Case, Examination, Tolerance
from pytest_llm.models.language_model import AnyModel, provenance
from pytest_llm.tasks.generate import Generate

CONTRACT, KEPT = "termination", "coming to an end"
MORE = 8
"""So many tokens more are allowed for: one alone may add nothing to the text."""


def termination(model: AnyModel, examples: Sequence[Example], most: int, task: Generate) -> Examination:
    """Let the model write up to `most` tokens, and a few more: if the text goes on, it had not come to its end.

    Asked of texts, not of tokens, so that any model that writes can be asked.
    """
    if isinstance(most, bool) or not isinstance(most, int) or most < 1:
        raise MisuseError(f"max_new_tokens={most!r}: expected a whole number of tokens, at least 1")
    if task.temperature > 0:
        raise MisuseError("a text that is drawn at random has no end of its own: leave temperature at 0")
    task = replace(task, filter="none", max_tokens=most)
    short = answer(model, examples, task)
    long = answer(model, examples, replace(task, max_tokens=most + MORE))
    cases = [_case(example, one, other, most) for example, one, other in zip(examples, short, long, strict=True)]
    return Examination(
        CONTRACT,
        KEPT,
        tuple(cases),
        Tolerance(0.0, "a text is over or it goes on", f"{most} tokens have to do"),
        f"{len(examples)} prompts",
        provenance(model),
        f"{CONTRACT}|{task.signature}",
        None,
        (),
        "missing end tokens in training texts, or an eos_token_id that the model never learned, are the usual reasons",
    )


def _case(example: Example, short: str, long: str, most: int) -> Case:
    further = max(len(long) - len(short), 0)
    said = f"after {most} tokens the answer to {example.label} "
    said += f"goes on: …{short[-20:]!r} {long[len(short) :][:40]!r}" if further else "is over"
    return Case(str(example.label), float(further), said, example.text)
