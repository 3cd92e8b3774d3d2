"""From text to tokens: what stands alone, what is continued, and what follows something.

Three ways, because a tokenizer's own special tokens belong in front of a prompt, as the model was trained, but their place
before a text that is scored as a whole is the metric's affair. As lm-evaluation-harness does it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any, TypeAlias

from pytest_llm.errors import MisuseError

Tokens: TypeAlias = tuple[int, ...]


def encode_texts(tokenizer: Any, texts: Sequence[str]) -> list[list[int]]:
    """The tokens of each text and nothing else."""
    if not texts:
        return []
    # verbose=False: a text longer than the context is no mistake here, it is cut into windows
    encoded = tokenizer(list(texts), add_special_tokens=False, verbose=False)["input_ids"]
    return [list(map(int, tokens)) for tokens in encoded]


def vocabulary_hash(tokenizer: Any) -> str:
    """SHA-256 of the vocabulary: the same for tokenizers that give every token the same number."""
    entries = sorted(tokenizer.get_vocab().items(), key=lambda entry: (entry[1], entry[0]))
    return hashlib.sha256(json.dumps(entries).encode()).hexdigest()


def encode_prompt(tokenizer: Any, prompt: str) -> Tokens:
    """The tokens of a text that is to be continued, with the special tokens that its tokenizer puts in front.

    A prompt that begins with BOS already, as chat templates write it, gets no second one; an EOS that some tokenizers put
    behind is taken off, because nothing would follow it.
    """
    bos = tokenizer.bos_token
    own = bool(bos) and prompt.startswith(bos)
    try:
        tokens = tokenizer(prompt, add_special_tokens=not own, verbose=False)["input_ids"]
    except (UnicodeError, TypeError) as error:  # a lone surrogate is the usual reason
        raise MisuseError(f"the text {prompt[:40]!r} cannot be tokenized: {error}") from None
    if len(tokens) > 1 and tokens[-1] == tokenizer.eos_token_id and not prompt.endswith(tokenizer.eos_token):
        tokens = tokens[:-1]
    return tuple(map(int, tokens))


def encode_pair(tokenizer: Any, context: str, continuation: str, prefix: int | None) -> tuple[Tokens, Tokens]:
    """The tokens of a context and of what follows it.

    Both are encoded as one text and cut where the context's own tokens end, so that the seam is where it is in running
    text; spaces at the context's end belong to the continuation (`_encode_pair` of lm-evaluation-harness).

    Raises:
        MisuseError: nothing to score, or no context and no BOS or EOS to stand in for it.
    """
    before: Tokens
    if not context.strip():
        try:
            own = tuple(encode_texts(tokenizer, [context + continuation])[0])
        except (UnicodeError, TypeError) as error:  # a lone surrogate is the usual reason
            raise MisuseError(f"the text {continuation[:40]!r} cannot be tokenized: {error}") from None
        if prefix is None:
            raise MisuseError(
                f"{continuation!r} has no context, and the tokenizer has neither BOS nor EOS to stand for it"
            )
        before, after = ((own[0],), own[1:]) if own and own[0] == prefix else ((prefix,), own)
    else:
        spaces = len(context) - len(context.rstrip())
        if spaces:
            context, continuation = context[:-spaces], context[-spaces:] + continuation
        before = encode_prompt(tokenizer, context)
        after = encode_prompt(tokenizer, context + continuation)[len(before) :]
    if not after:
        raise MisuseError(f"the continuation {continuation!r} has no tokens of its own after {context[-40:]!r}")
    return before, after
