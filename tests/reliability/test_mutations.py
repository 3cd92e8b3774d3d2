"""200 mutations of each of our file formats: none passes silently.

What comes of a mutant is one of these, and anything else fails: an error that names the file; a part that was left out, and that
was said (or is asked again, of a cache); the meaning of the original; of what people write by hand, what it says now, as a reader
that has nothing of ours understands it. The counts are printed by `pytest tests/reliability`.
"""

from __future__ import annotations

from collections import Counter as Tally
from pathlib import Path

import pytest

from pytest_llm.errors import MisuseError
from tests.reliability.counts import Counter
from tests.reliability.formats import FORMATS, Format, ToldError
from tests.reliability.mutations import Mutant, mutants

COUNT = 200


@pytest.mark.parametrize("form", FORMATS, ids=str)
def test_no_mutation_passes_silently(form: Format, tmp_path: Path, counter: Counter) -> None:
    path = form.write(tmp_path)
    original = path.read_bytes()
    meant = form.read(path)
    came: Tally[str] = Tally()
    silent: list[tuple[str, bytes]] = []
    for mutant in mutants(original, COUNT, seed=1):
        path.write_bytes(mutant.content)
        outcome = came_of(form, path, mutant, meant, original)
        came[outcome] += 1
        if outcome == "passed silently":
            silent.append((mutant.change, mutant.content))
    ways = ["refused", "told", "equal in meaning", *(["read as it says"] if form.says else []), "passed silently"]
    assert set(came) <= set(ways)
    assert silent == []
    assert came["refused"] + came["told"] > COUNT / 4  # else the file was hardly hit
    counter(form.name, "mutations", {way: came[way] for way in ways})


def came_of(form: Format, path: Path, mutant: Mutant, meant: object, original: bytes) -> str:
    try:
        found = form.read(path)
    except MisuseError as error:
        named = path.stem in str(error) or form.pytest_names_it
        return "refused" if named else f"refused without a name: {error}"
    except ToldError:
        return "told"
    if found == meant:
        return "equal in meaning"
    try:
        says = form.says is not None and found == form.says(mutant.content, original)
    except (ValueError, KeyError, TypeError):
        says = False
    return "read as it says" if says else "passed silently"
