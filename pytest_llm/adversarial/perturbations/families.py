"""All operations on texts, by family and by name."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

from pytest_llm.adversarial.operation import Operation, Preserves
from pytest_llm.adversarial.perturbations.character import TYPOS
from pytest_llm.adversarial.perturbations.format import FORMAT
from pytest_llm.adversarial.perturbations.meaning import MEANING
from pytest_llm.adversarial.perturbations.prompt import PROMPTS
from pytest_llm.adversarial.perturbations.sentence import SENTENCES
from pytest_llm.adversarial.perturbations.unicode import UNICODE
from pytest_llm.adversarial.perturbations.word import WORDS
from pytest_llm.errors import MisuseError

EVERYTHING = (*FORMAT, *UNICODE, *TYPOS, *WORDS, *SENTENCES, *PROMPTS, *MEANING)


def operations(*names: str, preserves: Preserves | Sequence[Preserves] = ("exact", "likely")) -> tuple[Operation, ...]:
    """Operations by name: a whole family ("typo") or one of it ("unicode.zerowidth"); without names, all of them.

    Args:
        names: of families and operations, in any number.
        preserves: what may become of the meaning: "exact", "likely", "no". One that is named in full is taken in any case.

    Raises:
        MisuseError: a name that is not known; the message lists those that are. Or nothing is left.
    """
    wanted = (preserves,) if isinstance(preserves, str) else tuple(preserves)
    known = {operation.name: operation for operation in EVERYTHING}
    families = {operation.name.partition(".")[0] for operation in EVERYTHING}
    for name in names:
        if name not in known and name not in families:
            raise MisuseError(_unknown(name, [*dict.fromkeys(one.partition(".")[0] for one in known), *known]))
    chosen = tuple(
        operation
        for operation in EVERYTHING
        if operation.name in names
        or ((not names or operation.name.partition(".")[0] in names) and operation.preserves in wanted)
    )
    if not chosen:
        raise MisuseError(f"no operation of {', '.join(names)} preserves {' or '.join(wanted)}: pass preserves=…")
    return chosen


def _unknown(name: object, known: Sequence[str]) -> str:
    close = get_close_matches(str(name), known, 1)
    hint = f" (did you mean {close[0]!r}?)" if close else ""
    return f"no operation {name!r}{hint}; there are {', '.join(known)}"
