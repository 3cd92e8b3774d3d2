"""What the tests of pre-training learn from: the shipped novels, as one stream of tokens."""

from __future__ import annotations

import lzma
from functools import cache
from typing import Any

from transformers import AutoTokenizer

from pytest_llm import embedded
from pytest_llm.pretraining.stream import Stream, stream_of


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
