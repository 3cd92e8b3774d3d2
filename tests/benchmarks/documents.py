"""The documents that the benchmarks score: seeded, from what `fixtures/data/` ships."""

from __future__ import annotations

import lzma

import numpy as np

from pytest_llm import embedded, load_examples

SEED = 20240623


def documents(count: int = 120, tokens_per_word: float = 1.25) -> list[str]:
    """Texts of 20 to 1 500 SmolLM2 tokens, log-normal with a median of 110 tokens: prose, single paragraphs, lists of words.

    Args:
        count: how many.
        tokens_per_word: to turn tokens into words; 1.25 for SmolLM2 on these novels.
    """
    generator = np.random.default_rng(SEED)
    novel = " ".join(example.text for example in load_examples(embedded("data/northanger_abbey.jsonl"))).split()
    with lzma.open(embedded("data/austen_train.txt.xz"), "rt", encoding="utf-8") as stream:
        other = stream.read().split()
    texts = []
    for index, size in enumerate(np.clip(generator.lognormal(np.log(110), 1.05, count), 20, 1500)):
        words = novel if index % 2 else other
        length = int(size / tokens_per_word)
        start = int(generator.integers(len(words) - length))
        chosen = words[start : start + length]
        if index % 6 == 0:
            chosen = sorted(set(chosen))  # a word list: no grammar, many rare tokens
        texts.append(" ".join(chosen))
    return texts
