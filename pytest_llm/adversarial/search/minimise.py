"""A script that breaks a model, made smaller in few batches: without edits that it does not need, then with milder ones."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, islice

from pytest_llm.adversarial.edit import EditScript
from pytest_llm.adversarial.search.lockstep import Asking
from pytest_llm.adversarial.search.tried import Tried

_ALL_SUBSETS = 4
"""Of so many edits all subsets are tried at once; of more, each edit is left out in turn."""
_MILDER = 8
"""So many milder edits are tried in the place of one."""


def minimised(tried: Tried) -> Asking[EditScript]:
    """The smallest script that is found from the smallest one known to break it.

    It always breaks it, and leaving out any one of its edits ends that (it is 1-minimal, Zeller & Hildebrandt 2002). Up to four
    edits no subset breaks it at all.
    """
    script = _smallest(tried)
    while True:
        yield from tried.ask(_shorter(script))
        if _smallest(tried) == script:
            yield from tried.ask(_milder(tried, script))
        if _smallest(tried) == script:
            return script
        script = _smallest(tried)


def _smallest(tried: Tried) -> EditScript:
    smallest = tried.smallest
    assert smallest is not None, "there is nothing to make smaller"
    return smallest


def _shorter(script: EditScript) -> Iterator[EditScript]:
    edits = script.edits
    sizes = range(1, len(edits)) if len(edits) <= _ALL_SUBSETS else (len(edits) - 1,)
    for size in sizes:
        yield from (EditScript(script.text, chosen) for chosen in combinations(edits, size))


def _milder(tried: Tried, script: EditScript) -> Iterator[EditScript]:
    """The script with one edit replaced by one of a milder operation at the same word."""
    table = tried.table
    site_of = {edit: site for (_, site), edits in table.cells.items() for edit in edits}
    for place, edit in enumerate(script.edits):
        rest = script.without(place)
        others = (other for other in table.at(site_of[edit]) if table.cost([other]) < table.cost([edit]))
        for other in islice(others, _MILDER):
            milder = rest.with_edit(other)
            if milder is not None and table.allows(milder):
                yield milder
