"""A counter-example for people: both texts with what the model gave, each edit, and the tokens that became others."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from typing import Any

from pytest_llm.adversarial.counter_example import CounterExample
from pytest_llm.adversarial.rendering import script_lines, visible
from pytest_llm.wording import number

Tokens = Callable[[str], Sequence[str]]

_MINIMAL = {
    "smallest": "no fewer edits break it",
    "irreducible": "each of them is needed",
    "unknown": "not made smaller",
}
_LONGEST = 160


def described(found: CounterExample, label: str, tokens: Tokens | None = None) -> Iterator[str]:
    """Lines of a report.

    Args:
        found: the counter-example.
        label: how reports call the example.
        tokens: a text's tokens as the model has them; None: not shown.
    """
    script, asked = found.script, found.queries
    before, after, *edits = script_lines(script)
    yield (
        f"{label}: {_edits(len(script))}, {_MINIMAL[found.minimality]}; {asked.requested} texts requested, {asked.executed} "
        f"executed, {asked.batches} batches"
    )
    yield f"{before}   {shown(found.clean)}"
    yield f"{after}   {shown(found.smallest.observed)}"
    yield from edits
    if tokens is not None:
        yield from (f"    tokens {line}" for line in token_changes(tokens(script.text), tokens(script.perturbed)))
    if found.worst.script != script:
        worst, text = found.worst, visible(found.worst.script.perturbed)
        shortened = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
        yield f"    worst: {shown(worst.observed)} with {_edits(len(worst.script))}: {shortened}"
    if found.confirmed is not None:
        yield f"    asked about alone, it {'breaks too' if found.confirmed else 'holds'}"


def token_changes(before: Sequence[str], after: Sequence[str]) -> Iterator[str]:
    """Stretches of tokens that became others: `[absolutely] → [absol, u, tely]`."""
    for kind, i, j, k, m in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if kind != "equal":
            yield f"[{', '.join(map(visible, before[i:j]))}] → [{', '.join(map(visible, after[k:m]))}]"


def _edits(count: int) -> str:
    return "1 edit" if count == 1 else f"{count} edits"


def shown(observed: Any) -> str:
    """What the model gave, in short."""
    if isinstance(observed, Mapping):
        return ", ".join(f"{name} {shown(value)}" for name, value in observed.items())
    if isinstance(observed, float):
        return number(observed)
    return repr(observed) if observed is None or isinstance(observed, str | int) else str(observed)
