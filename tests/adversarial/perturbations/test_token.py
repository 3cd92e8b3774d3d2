"""Tokens, on the shipped model's tokenizer and small ones of other kinds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from pytest_llm import MisuseError, load_model
from pytest_llm.adversarial.perturbations.token import (
    faint_ids,
    insert_ids,
    retokenize,
    special_strings,
    unreachable_ids,
)
from pytest_llm.adversarial.prompt_strategies import token_edits
from pytest_llm.adversarial.table import candidate_table
from pytest_llm.adversarial.token_edit import TokenScript
from pytest_llm.models.language_model import Window

TEXT = "The family walked to the village — naïve, 北京."


@pytest.fixture(scope="module")
def tiny() -> Any:
    return load_model("tiny-decoder")


def test_another_tokenization_is_decoded_to_the_same_text(tiny: Any) -> None:
    ids = tiny.tokenizer.encode(TEXT, add_special_tokens=False)

    @settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
    @given(token_edits(ids, operations=[retokenize(tiny.tokenizer)], max_edits=6))
    def same(script: TokenScript) -> None:
        assert tiny.tokenizer.decode(script.perturbed) == tiny.tokenizer.decode(ids)
        assert len(script.perturbed) == len(ids) + len(script)

    same()


def test_the_model_finds_another_tokenization_less_likely(tiny: Any) -> None:
    """It has read the longest pieces in training, and so it expects those."""
    ids = tuple(tiny.tokenizer.encode(TEXT, add_special_tokens=False))
    operation = retokenize(tiny.tokenizer)
    split = tuple(piece for number in ids for piece in next(iter(operation.candidates(number)), (number,)))
    assert split != ids
    likely, unlikely = (
        sum(scores) for scores in tiny.score_windows([Window(tokens, len(tokens) - 1) for tokens in (ids, split)])
    )
    assert unlikely < likely - 10


def wordpiece() -> Any:
    vocabulary = ["[UNK]", "[CLS]", "un", "##able", "unable", "##a", "##ble", "able", "u", "##n"]
    made = Tokenizer(models.WordPiece({token: place for place, token in enumerate(vocabulary)}, unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    made.decoder = decoders.WordPiece()
    make: Any = PreTrainedTokenizerFast  # which is not typed
    return make(tokenizer_object=made, unk_token="[UNK]", cls_token="[CLS]")


def test_pieces_of_words_keep_their_mark() -> None:
    tokenizer = wordpiece()
    ids = tokenizer.get_vocab()
    operation = retokenize(tokenizer)
    assert [tokenizer.convert_ids_to_tokens(list(pair)) for pair in operation.candidates(ids["unable"])] == [
        ["un", "##able"]
    ]
    assert list(operation.candidates(ids["[CLS]"])) == []
    assert list(operation.candidates(10_000)) == []


def test_ids_that_no_text_gives_are_found() -> None:
    tokenizer = wordpiece()
    unreachable = tokenizer.convert_ids_to_tokens(list(unreachable_ids(tokenizer)))
    # decoded alone, a piece without its word is another word
    assert unreachable == ["##able", "##a", "##ble", "##n"]


def test_ids_are_inserted_before_a_token() -> None:
    operation = insert_ids(wordpiece(), [3, 5])
    assert list(operation.candidates(4)) == [(3, 4), (5, 4)]
    with pytest.raises(MisuseError, match="at least one to insert"):
        insert_ids(wordpiece(), [])


def test_the_faintest_ids_have_the_shortest_embeddings() -> None:
    matrix = np.array([[3.0, 4.0], [0.1, 0.0], [1.0, 1.0]])
    assert faint_ids(matrix, 2) == (1, 2)
    assert faint_ids(torch.nn.Parameter(torch.tensor(matrix, dtype=torch.bfloat16)), 3) == (1, 2, 0)
    with pytest.raises(MisuseError, match=r"count=4 of embeddings of shape \(3, 2\)"):
        faint_ids(matrix, 4)


def test_special_tokens_are_written_into_the_text(tiny: Any) -> None:
    operation = special_strings(tiny.tokenizer)
    table = candidate_table("One two.", [operation])
    names = tiny.tokenizer.all_special_tokens
    made = [table.script([edit]).perturbed for edit in table]
    assert len(made) == 3 * len(names)
    assert made[0] == f"{names[0]}One two."
    assert made[-1] == f"One two.{names[-1]}"
