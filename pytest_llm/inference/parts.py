"""In which parts a long list of texts is asked about, where each part is kept before the next one is asked.

A part that ends costs what the next one reads again: the beginning that texts on both sides of the cut have in common (a few-shot
block stands before every question of a set). So a list is cut only where that is small beside what the part has read. The cuts
depend on the texts and the device, not on the clock: the same list is cut in the same places. Where the time has an end
(`time_budget`), a model that does not say how much it reads at once is asked in smaller parts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pytest_llm.inference.engine import current_engine
from pytest_llm.inference.time_budget import is_limited
from pytest_llm.models.prefix_tree import common_length

SHARE_READ_TWICE = 0.02
_ROWS_PER_PART = 15
_TOKENS_PER_ROW = 1024
_CHARACTERS_PER_TOKEN = 4


def least_effort(model: object, total: int) -> int:
    """How many characters a part has at least: about 15 rows of the length that the model reads at once, for each process.

    A model that computes elsewhere, where each answer may cost money, says itself how much is asked before it is kept. Each actor
    of a cluster takes a part: where there would be too few for all of them, parts are smaller.

    Args:
        model: what is asked.
        total: characters of all that is asked about.
    """
    if (own := getattr(model, "effort_at_once", None)) is not None:
        return int(own)
    rows = _ROWS_PER_PART
    tokens = getattr(getattr(model, "budget", None), "tokens", None)
    if tokens is None and is_limited():
        rows = 1
    least = rows * max(tokens or 0, _TOKENS_PER_ROW) * _CHARACTERS_PER_TOKEN * max(1, _sharing())
    if (cluster := current_engine().cluster) is not None:
        from pytest_llm.inference.cluster.asking import STRETCHES_PER_ACTOR, actors

        least = min(least, -(-total // (STRETCHES_PER_ACTOR * actors(cluster))))
    return least


def _sharing() -> int:
    if not current_engine().ranks:
        return current_engine().workers
    from pytest_llm.inference.ranks import size

    return size()


def parts(texts: Sequence[str], efforts: Sequence[int], least: int) -> Iterator[range]:
    """Which texts stand in each part.

    Args:
        texts: all that the model reads of each item.
        efforts: what each item takes, in characters that are read.
        least: of the efforts, which a part has together, but for the last one.
    """
    first, done = 0, 0
    for index, text in enumerate(texts):
        shared = common_length(texts[index - 1], text) if index else 0
        if done >= least and shared <= SHARE_READ_TWICE * done:
            yield range(first, index)
            first, done, shared = index, 0, 0
        done += max(0, efforts[index] - shared)
    if texts:
        yield range(first, len(texts))
