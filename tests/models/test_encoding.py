"""Encoding: special tokens where a model expects them, and the seam between a context and what follows it."""

from __future__ import annotations

from typing import Any

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from pytest_llm.errors import MisuseError
from pytest_llm.models.encoding import encode_pair, encode_prompt, encode_texts

BOS, EOS = 0, 1


def tokenizer_of(template: str, *, ends: bool = True) -> Any:
    """Characters, and the merged tokens "ab" and " c"; special tokens as the template says."""
    vocabulary = ["<s>", "</s>", *" abcdx", "ab", "Ġ", "Ġc"]
    inner = Tokenizer(models.BPE({token: n for n, token in enumerate(vocabulary)}, [("a", "b"), ("Ġ", "c")]))
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    names = [("<s>", BOS), ("</s>", EOS)]
    inner.post_processor = processors.TemplateProcessing(single=template, special_tokens=names)
    wrap: Any = PreTrainedTokenizerFast
    return wrap(tokenizer_object=inner, bos_token="<s>" if ends else None, eos_token="</s>" if ends else None)


PLAIN, WITH_BOS, WITH_BOTH = tokenizer_of("$A"), tokenizer_of("<s> $A"), tokenizer_of("<s> $A </s>")


def spelled(tokens: Any) -> list[str]:
    names: list[str] = PLAIN.convert_ids_to_tokens(list(tokens))
    return [name.replace("Ġ", " ") for name in names]


@pytest.mark.parametrize("tokenizer", [PLAIN, WITH_BOS, WITH_BOTH])
def test_a_text_is_its_tokens_and_nothing_else(tokenizer: Any) -> None:
    assert [spelled(tokens) for tokens in encode_texts(tokenizer, ["abc", "x"])] == [["ab", "c"], ["x"]]


@pytest.mark.parametrize(
    ("tokenizer", "prompt", "expected"),
    [
        (PLAIN, "abx", ["ab", "x"]),
        (PLAIN, "", []),
        (WITH_BOS, "abx", ["<s>", "ab", "x"]),
        (WITH_BOS, "<s>abx", ["<s>", "ab", "x"]),  # as chat templates write it
        (WITH_BOS, "", ["<s>"]),
        (WITH_BOTH, "abx", ["<s>", "ab", "x"]),  # nothing would follow the end
        (WITH_BOTH, "<s>abx", ["<s>", "ab", "x"]),
        (PLAIN, "abx</s>", ["ab", "x", "</s>"]),  # the end of an earlier turn
        (WITH_BOS, "x</s>", ["<s>", "x", "</s>"]),
        (tokenizer_of("$A", ends=False), "abx", ["ab", "x"]),
    ],
)
def test_a_prompt_begins_as_the_tokenizer_says_and_does_not_end(
    tokenizer: Any, prompt: str, expected: list[str]
) -> None:
    assert spelled(encode_prompt(tokenizer, prompt)) == expected


@pytest.mark.parametrize(
    ("tokenizer", "context", "continuation", "before", "after"),
    [
        (PLAIN, "ab", "x", ["ab"], ["x"]),
        (PLAIN, "ab ", "c", ["ab"], [" c"]),  # the space moves, and is read together with what follows
        (PLAIN, "ab  ", "c", ["ab"], [" ", " c"]),
        (PLAIN, "ab", " c", ["ab"], [" c"]),
        (WITH_BOS, "ab", "x", ["<s>", "ab"], ["x"]),
        (WITH_BOS, "<s>ab", "x", ["<s>", "ab"], ["x"]),
        (WITH_BOTH, "ab", "x", ["<s>", "ab"], ["x"]),
        # cut where the context's own tokens end, as the harness does, although "ab" is one token of the whole
        (PLAIN, "a", "bx", ["a"], ["x"]),
        (PLAIN, "", "abx", ["<s>"], ["ab", "x"]),
        (WITH_BOS, "", "abx", ["<s>"], ["ab", "x"]),
        (PLAIN, "", "<s>abx", ["<s>"], ["ab", "x"]),
    ],
)
def test_a_pair_is_cut_at_its_seam(
    tokenizer: Any, context: str, continuation: str, before: list[str], after: list[str]
) -> None:
    found = encode_pair(tokenizer, context, continuation, BOS)
    assert (spelled(found[0]), spelled(found[1])) == (before, after)


PAIRS = [
    ("ab", "x"),
    ("ab ", "c"),
    ("ab  ", " c"),
    ("a", "bx"),
    ("", "abx"),
    ("", "<s>abx"),
    ("<s>ab", "x"),
    ("dab\n", "cab"),
    ("x c", " c c"),
]


@pytest.mark.parametrize("tokenizer", [PLAIN, WITH_BOS], ids=["plain", "with BOS"])
@pytest.mark.parametrize(("context", "continuation"), PAIRS)
def test_pairs_are_encoded_by_the_rules_of_lm_eval(tokenizer: Any, context: str, continuation: str) -> None:
    """`_encode_pair` and `loglikelihood` of lm-evaluation-harness 0.4, written out."""

    def encode(text: str) -> list[int]:
        own = text.startswith("<s>")
        tokens: list[int] = tokenizer(text, add_special_tokens=not own)["input_ids"]
        return tokens

    if context == "":
        after = tokenizer(continuation, add_special_tokens=False)["input_ids"]
        before, after = ([BOS], after) if after[0] != BOS else (after[:1], after[1:])
    else:
        spaces = len(context) - len(context.rstrip())
        if spaces > 0:
            context, continuation = context[:-spaces], context[-spaces:] + continuation
        before, whole = encode(context), encode(context + continuation)
        after = whole[len(before) :]
    assert encode_pair(tokenizer, context, continuation, BOS) == (tuple(before), tuple(after))


def test_a_context_of_spaces_counts_as_none() -> None:
    before, after = encode_pair(PLAIN, "  ", "c", BOS)
    assert (spelled(before), spelled(after)) == (["<s>"], [" ", " c"])


def test_nothing_to_score_is_refused() -> None:
    with pytest.raises(MisuseError, match=r"the continuation '' has no tokens of its own after 'ab'"):
        encode_pair(PLAIN, "ab", "", BOS)
    with pytest.raises(MisuseError, match="the continuation 'b' has no tokens of its own after 'a'"):
        encode_pair(PLAIN, "a", "b", BOS)


def test_no_context_and_nothing_to_stand_for_it_is_refused() -> None:
    with pytest.raises(MisuseError, match="'x' has no context, and the tokenizer has neither BOS nor EOS"):
        encode_pair(tokenizer_of("$A", ends=False), "", "x", None)


def test_a_text_that_cannot_be_encoded_is_named() -> None:
    with pytest.raises(MisuseError, match="cannot be tokenized"):
        encode_prompt(PLAIN, "a\ud800")
    with pytest.raises(MisuseError, match="cannot be tokenized"):
        encode_pair(PLAIN, "a\ud800", "b", BOS)


def test_no_texts_have_no_tokens() -> None:
    assert encode_texts(PLAIN, []) == []
