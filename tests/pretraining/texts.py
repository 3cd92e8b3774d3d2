"""What the tests of pre-training learn from: the shipped novels, as one stream of tokens."""

from __future__ import annotations

import lzma
from functools import cache
from typing import Any, TypeAlias

import torch
from transformers import AutoTokenizer

from pytest_llm import embedded, load_examples
from pytest_llm.pretraining.stream import Stream, stream_of

Texts: TypeAlias = list[str]


@cache
def tokenizer() -> Any:
    """That of tiny-decoder, with a token for masks."""
    untyped: Any = AutoTokenizer
    own = untyped.from_pretrained(embedded("models/tiny-decoder"))
    own.add_special_tokens({"mask_token": "<|mask|>"})
    return own


@cache
def novels() -> Stream:
    """The first paragraphs of the training text, each behind BOS."""
    with lzma.open(embedded("data/austen_train.txt.xz"), "rt", encoding="utf-8") as lines:
        paragraphs = [line.strip() for line, _ in zip(lines, range(600), strict=False)]
    return stream_of(tokenizer(), paragraphs, separator=0)


@cache
def four_languages() -> tuple[list[Texts], list[Texts]]:
    """Shipped texts in English, German, Chinese and Spanish: 150 of each to learn from, 50 to be asked about."""
    german, chinese, spanish = (
        load_examples(embedded(f"data/translation_{pair}.jsonl")) for pair in ("en_de", "en_zh", "es_en")
    )
    texts = [
        [example.text for example in german],
        [str(example.target) for example in german],
        [str(example.target) for example in chinese],
        [example.text for example in spanish],
    ]
    return [of_language[:150] for of_language in texts], [of_language[150:] for of_language in texts]


@cache
def page() -> tuple[Stream, int, float]:
    """The first 200 tokens of the novels, numbered anew from 0: can be learned in seconds.

    Returns:
        The tokens, how many different ones there are, and the entropy of their frequencies in nats.
    """
    whole = novels()
    known, tokens = torch.unique(whole.tokens[:200], return_inverse=True)
    shares = tokens.bincount().double() / len(tokens)
    return Stream(tokens, whole.words[:200]), len(known), float(torch.special.entr(shares).sum())
