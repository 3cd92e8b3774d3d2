"""Texts with a few edits, filled templates: drawn by Hypothesis, and shrunk edit by edit towards the text as it was."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from hypothesis import note
from hypothesis import strategies as st
from hypothesis.errors import InvalidArgument

from pytest_llm.adversarial.edit import EditScript
from pytest_llm.adversarial.operation import Operation, checked_operations
from pytest_llm.adversarial.perturbations.families import operations as look_up
from pytest_llm.adversarial.rendering import script_lines
from pytest_llm.adversarial.table import Budget, CandidateTable, candidate_table
from pytest_llm.adversarial.template import Filled, Template
from pytest_llm.errors import MisuseError

_CANDIDATES = 63
"""The third number's end. A cell with more candidates than that is drawn from as far; a search sees them all."""


class _Lines:
    """A script for people, written when a report is made of it: `note` is called for each example, and shows few."""

    def __init__(self, script: EditScript) -> None:
        self.script = script

    def __repr__(self) -> str:
        return "\n".join(script_lines(self.script))


@st.composite
def edits(
    draw: st.DrawFn, text: str, *, operations: Sequence[Operation] | None = None, budget: Budget | None = None
) -> EditScript:
    """Scripts of a few edits of one text, of all that the operations propose, within the budget.

    The first one drawn has no edit. A failing script shrinks to fewer edits, each of the mildest kind and early in the text,
    and is shown with what cannot be seen in it named. Draw one, not a list of them: a list shrinks badly.

    Args:
        text: what is edited.
        operations: as `operations("typo", …)` finds them; all that preserve the meaning, if None.
        budget: at most 3 edits, if None.

    Raises:
        InvalidArgument: when an example is drawn, if nothing is proposed for the text, or an argument makes no sense.
    """
    table = _checked_table(text, operations, budget)
    if not len(table):
        raise _nothing(table)
    return _script(draw, table)


@st.composite
def perturbed_texts(
    draw: st.DrawFn,
    seeds: Sequence[str],
    *,
    operations: Sequence[Operation] | None = None,
    budget: Budget | None = None,
) -> EditScript:
    """Scripts of a few edits of one of several texts: `script.text` is the seed, `script.perturbed` what became of it.

    Shrinks as `edits` does, and to the first text that fails.

    Args:
        seeds: the texts. One for which nothing is proposed is drawn as it is.
        operations: see `edits`.
        budget: see `edits`.

    Raises:
        InvalidArgument: when an example is drawn, if nothing is proposed for any seed, or an argument makes no sense.
    """
    if isinstance(seeds, str) or not isinstance(seeds, Sequence) or not seeds:
        raise InvalidArgument(f"seeds={seeds!r}: expected a list of texts, with at least one")
    table = _checked_table(draw(st.sampled_from(list(seeds))), operations, budget)
    if not len(table) and not any(len(_checked_table(seed, operations, budget)) for seed in seeds):
        raise _nothing(table)
    return _script(draw, table)


@st.composite
def templates(draw: st.DrawFn, /, *patterns: str, **lexicons: Sequence[str]) -> Filled:
    """Patterns with their fields filled: `templates("{name} is {a:job}", name=["Anna"], job=["nurse", "engineer"])`.

    `{a:job}` puts "a" or "an" before the word. A field that occurs twice is filled alike. Shrinks to the first pattern, and to the
    first entries of the lexicons.

    Raises:
        InvalidArgument: when an example is drawn, if a field has no lexicon, a lexicon no entry or no field.
    """
    try:
        made = [Template(pattern) for pattern in patterns]
        fields = list(dict.fromkeys(name for template in made for name in template.fields))
        if not patterns or set(fields) != set(lexicons):
            raise MisuseError(
                f"fields of the patterns: {fields}, lexicons given: {list(lexicons)}; expected one for each"
            )
        for name, words in lexicons.items():
            if isinstance(words, str) or not words:
                raise MisuseError(f"{name}={words!r}: expected a list of words, with at least one")
    except MisuseError as error:
        raise InvalidArgument(str(error)) from None
    template = draw(st.sampled_from(made))
    filled = template.fill({name: draw(st.sampled_from(list(lexicons[name]))) for name in template.fields})
    note(filled.text)
    return filled


def numbered(sites: Sequence[tuple[int, Sequence[object]]], most: int) -> st.SearchStrategy[list[tuple[int, int, int]]]:
    """Up to so many times three numbers: of an operation, of a site, of a candidate; the first and the last count round.

    Args:
        sites: each with what can be done there.
        most: how many edits there may be.
    """
    operations = max(len(present) for _, present in sites)
    triple = st.tuples(st.integers(0, operations - 1), st.integers(0, len(sites) - 1), st.integers(0, _CANDIDATES))
    return st.lists(triple, max_size=most)


def _script(draw: st.DrawFn, table: CandidateTable) -> EditScript:
    """Three whole numbers an edit: shrinking makes the list shorter, then the operation milder, then the place earlier.

    The first one counts among the operations that have something at the site: then no draw is lost, and a milder operation
    is tried at the place where a harsh one failed. (A weakness of two words among 18, 32 operations: found within 2000 examples
    by 8 of 8 seeds, median 1041; by 7, median 1377, where the number counted all operations, and 37 % of triples named nothing.)
    """
    sites = table.filled_sites
    if not sites:
        return EditScript(table.text)
    chosen = []
    for operation, place, candidate in draw(numbered(sites, table.budget.max_edits)):
        site, present = sites[place]
        chosen.append(table.edit(present[operation % len(present)], site, candidate))
    script = table.script(chosen)
    note(_Lines(script))
    return script


def _checked_table(text: str, operations: Sequence[Operation] | None, budget: Budget | None) -> CandidateTable:
    try:
        if not isinstance(text, str):
            raise MisuseError(f"{text!r}: expected a text to edit")
        if budget is not None and not isinstance(budget, Budget):
            raise MisuseError(f"budget={budget!r}: expected a Budget")
        return _table(text, look_up() if operations is None else checked_operations(operations), budget)
    except MisuseError as error:
        raise InvalidArgument(str(error)) from None


def _nothing(table: CandidateTable) -> InvalidArgument:
    names = ", ".join(operation.name for operation in table.operations)
    return InvalidArgument(f"none of {names} has an edit of {table.text!r}")


_table = lru_cache(maxsize=256)(candidate_table)
"""Tables are made once: drawing is asked for thousands of examples of a text."""
