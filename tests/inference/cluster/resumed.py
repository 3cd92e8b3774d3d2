"""A driver that the tests kill: asks about twelve texts on the cluster, and says where the answers came from."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from pytest_llm import Cluster, Engine, load_examples
from pytest_llm.data.example import Example
from pytest_llm.inference.cache import cache_at
from pytest_llm.inference.cluster.asking import closing
from pytest_llm.inference.engine import using
from pytest_llm.inference.memo import remembered, remembering, text_of

TEXTS = [letter * 70_000 for letter in "abcdefghijkl"]


class Slow:
    """Notes in a folder what it was asked."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def cache_key(self) -> str:
        return "slow"

    def length(self, texts: Sequence[str]) -> list[float]:
        for text in texts:
            with (self.folder / text[0]).open("a") as file:
                file.write("asked\n")
        time.sleep(0.3)
        return [float(len(text)) for text in texts]


def length(model: Slow, examples: list[Example]) -> list[float]:
    return model.length([example.text for example in examples])


def main(given: str) -> None:
    folder = Path(given)
    with (
        closing(),
        using(Engine(cluster=Cluster())),
        remembering(lambda: cache_at(str(folder), folder, None, 10**9)) as memo,
    ):
        found = remembered(Slow(folder), load_examples(TEXTS), "length", length, text_of)
    assert found == [70_000.0] * len(TEXTS)
    print(memo.tally.cached, memo.tally.computed)
