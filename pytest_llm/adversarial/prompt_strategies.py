"""Layouts of prompts, needles in long contexts, edited token ids: drawn by Hypothesis, and shrunk to the plainest."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from hypothesis import note
from hypothesis import strategies as st
from hypothesis.errors import InvalidArgument

from pytest_llm.adversarial.perturbations.length import Context, context
from pytest_llm.adversarial.perturbations.prompt import (
    CASES,
    NUMBERINGS,
    SEPARATORS,
    SPACINGS,
    WRAPPERS,
    Case,
    Numbering,
    PromptFormat,
)
from pytest_llm.adversarial.rendering import visible
from pytest_llm.adversarial.strategies import numbered
from pytest_llm.adversarial.token_edit import TokenEdit, TokenOperation, TokenScript, token_candidates
from pytest_llm.errors import MisuseError


def prompt_formats(
    *,
    separators: Sequence[str] = SEPARATORS,
    spacings: Sequence[str] = SPACINGS,
    cases: Sequence[Case] = CASES,
    numberings: Sequence[Numbering] = NUMBERINGS,
    wrappers: Sequence[str] = WRAPPERS,
) -> st.SearchStrategy[PromptFormat]:
    """Layouts of a prompt, which `PromptFormat.render` fills. Shrinks to the first of each list: "Question: …", "A. …", lines.

    The order of options and of worked examples, and label words, are drawn beside it: see `task_strategies`.
    """
    return st.builds(
        PromptFormat,
        separator=st.sampled_from(separators),
        spacing=st.sampled_from(spacings),
        case=st.sampled_from(cases),
        numbering=st.sampled_from(numberings),
        wrapper=st.sampled_from(wrappers),
    )


@st.composite
def contexts(
    draw: st.DrawFn,
    needle: str,
    *,
    lengths: Sequence[int],
    depths: Sequence[float] = (0.0, 0.25, 0.5, 0.75, 1.0),
    filler: Sequence[str] | None = None,
    count: Callable[[str], int] | None = None,
) -> Context:
    """A needle in filler of each length, at each depth. Shrinks to the shortest context that fails, and the first depth.

    Args:
        needle: what is to be found, or is asked about.
        lengths: how long the whole may be.
        depths: which shares of the filler stand before the needle.
        filler: see `context`.
        count: see `context`.

    Raises:
        InvalidArgument: when an example is drawn, if there is no length or depth, or `context` refuses one.
    """
    if not lengths or not depths:
        raise InvalidArgument(f"lengths={lengths!r}, depths={depths!r}: expected at least one of each")
    length, depth = draw(st.sampled_from(sorted(lengths))), draw(st.sampled_from(list(depths)))
    try:
        made = context(needle, length, depth, filler=filler, count=count)
    except MisuseError as error:
        raise InvalidArgument(str(error)) from None
    note(f"at depth {depth:g} of a context of {length}: {visible(needle)}")
    return made


@st.composite
def token_edits(
    draw: st.DrawFn, ids: Sequence[int], *, operations: Sequence[TokenOperation], max_edits: int = 3
) -> TokenScript:
    """Scripts of a few edits of token ids. Shrinks as `edits` does: to fewer, milder ones, towards the ids as they are.

    The corpus keeps none of these: for the next tokenizer the ids are another text, or none, and nobody could tell.

    Args:
        ids: of a text, as its tokenizer gives them.
        operations: such as `retokenize(tokenizer)`.
        max_edits: how many at most.

    Raises:
        InvalidArgument: when an example is drawn, if nothing can be done to these ids, or an argument makes no sense.
    """
    if isinstance(operations, TokenOperation) or not operations:
        raise InvalidArgument(
            f"operations={operations!r}: expected a list of operations, such as [retokenize(tokenizer)]"
        )
    if not max_edits >= 1:
        raise InvalidArgument(f"max_edits={max_edits!r} allows no edit: expected at least 1")
    places = list(token_candidates(ids, operations).items())
    if not places:
        raise InvalidArgument(f"none of {', '.join(one.name for one in operations)} has an edit of {list(ids)}")
    chosen: dict[int, TokenEdit] = {}
    for operation, number, candidate in draw(numbered(places, max_edits)):
        place, present = places[number]
        edits = present[operation % len(present)]
        chosen.setdefault(place, edits[candidate % len(edits)])
    script = TokenScript(tuple(ids), tuple(chosen.values()))
    shown = {operation.name: operation.show for operation in operations}
    for edit in script.edits:
        show = shown[edit.operation]
        pieces = "|".join(visible(show(new)) for new in edit.new)
        note(
            f"{edit.operation}@{edit.place}: [{visible(show(edit.old))}] → [{pieces}], ids {edit.old} → {list(edit.new)}"
        )
    return script
