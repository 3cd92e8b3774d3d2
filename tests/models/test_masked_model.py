"""Pseudo-log-likelihoods, held against a loop that masks one token at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_llm import MisuseError
from pytest_llm.models.language_model import ConditionalModel, LanguageModel, MaskedLanguageModel, WindowedModel
from pytest_llm.models.masked_model import MaskedModel, Masking, windows
from pytest_llm.statistics.jackknife import FloatArray
from tests.tiny_checkpoints import TEXTS, byte_tokenizer, tiny_bert, tiny_distilbert, tiny_roberta

MAKERS = [tiny_bert, tiny_roberta, tiny_distilbert]
Maker = Callable[..., tuple[Any, Any]]


def reference(module: Any, tokenizer: Any, text: str, within_word: bool) -> FloatArray:
    """One row at a time, in float64, from the definition."""
    double = type(module)(module.config).double().eval()
    double.load_state_dict(module.state_dict())
    encoded = tokenizer(text)
    ids, words = encoded["input_ids"], encoded.word_ids()
    answers = []
    for position in range(1, len(ids) - 1):
        hidden = [
            later
            for later in range(position, len(ids) - 1)
            if later == position or (within_word and words[later] == words[position])
        ]
        masked = [tokenizer.mask_token_id if index in hidden else token for index, token in enumerate(ids)]
        with torch.no_grad():
            logits = double(input_ids=torch.tensor([masked])).logits[0, position]
        answers.append(float(torch.log_softmax(logits, dim=-1)[ids[position]]))
    return np.array(answers)


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("within_word", [True, False])
def test_agrees_with_a_float64_loop_over_tokens(make: Maker, within_word: bool) -> None:
    module, tokenizer = make()
    found = MaskedModel(module, tokenizer).pseudo_log_probs(TEXTS, within_word=within_word)
    for text, answer in zip(TEXTS, found, strict=True):
        np.testing.assert_allclose(answer, reference(module, tokenizer, text, within_word), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("make", MAKERS)
def test_only_words_of_several_tokens_are_scored_otherwise_within_words(make: Maker) -> None:
    """Law: the last token of a word has nothing behind it to hide, so both ways agree on it, and on no other."""
    module, tokenizer = make()
    model, text = MaskedModel(module, tokenizer), TEXTS[2]
    whole, single = (model.pseudo_log_probs([text], within_word=choice)[0] for choice in (True, False))
    words = tokenizer(text).word_ids()[1:-1]
    last = np.array([index + 1 == len(words) or words[index + 1] != words[index] for index in range(len(words))])
    np.testing.assert_allclose(whole[last], single[last], rtol=1e-5)
    assert (np.abs(whole[~last] - single[~last]) > 2e-5).all()  # by chance of the weights one is 8e-5


@pytest.mark.parametrize("make", MAKERS)
def test_batches_change_nothing(make: Maker) -> None:
    model = MaskedModel(*make())
    together = model.pseudo_log_probs(TEXTS)
    model.budget.tokens = 1
    for one, other in zip(together, model.pseudo_log_probs(TEXTS), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("make", MAKERS)
def test_the_head_sees_only_masked_positions(make: Maker) -> None:
    model = MaskedModel(*make())
    model.pseudo_log_probs(TEXTS[3:4])  # with the probe
    rows: list[int] = []
    hook = model.module.get_output_embeddings().register_forward_hook(
        lambda module, given, output: rows.append(output.numel() // output.shape[-1])
    )
    found = model.pseudo_log_probs(TEXTS)
    hook.remove()
    assert sum(rows) == sum(map(len, found))


def test_a_question_is_answered_by_what_the_model_says_at_the_mask() -> None:
    module, tokenizer = tiny_bert()
    ids = tokenizer(TEXTS[0])["input_ids"]
    hidden = [tokenizer.mask_token_id if index in (3, 4) else token for index, token in enumerate(ids)]
    with torch.no_grad():
        expected = torch.log_softmax(module(input_ids=torch.tensor([hidden])).logits[0, 3], dim=-1)[ids[3]]
    (found,) = MaskedModel(module, tokenizer).masked_log_probs([Masking(tuple(ids), 3, 5)])
    assert found == pytest.approx(float(expected), rel=1e-5)


@pytest.mark.parametrize(("make", "length"), [(tiny_bert, 128), (tiny_roberta, 128), (tiny_distilbert, 128)])
def test_the_context_is_what_there_are_positions_for(make: Maker, length: int) -> None:
    module, tokenizer = make()
    model = MaskedModel(module, tokenizer)
    assert model.max_length == length
    ids = torch.full((1, length + 1), 10)
    module(input_ids=ids[:, :-1])
    with pytest.raises((IndexError, RuntimeError)):
        module(input_ids=ids)


@pytest.mark.parametrize("make", MAKERS)
def test_a_long_text_is_scored_window_by_window(make: Maker) -> None:
    short = {"max_position_embeddings": 34 if make is tiny_roberta else 32}
    module, tokenizer = make(**short)
    model = MaskedModel(module, tokenizer)
    assert model.max_length == 32
    (answer,) = model.pseudo_log_probs([TEXTS[0]])
    encoded = tokenizer(TEXTS[0])
    ids, words = encoded["input_ids"][1:-1], encoded.word_ids()[1:-1]
    cuts = list(windows(words, len(ids), 30))
    assert len(cuts) > 1
    pieces = []
    for first, last in cuts:
        assert last == len(ids) or words[last] != words[last - 1]
        begin, end = encoded.token_to_chars(first + 1).start, encoded.token_to_chars(last).end
        pieces.append(reference(module, tokenizer, TEXTS[0][begin:end], True))
    np.testing.assert_allclose(answer, np.concatenate(pieces), rtol=1e-5, atol=1e-5)


def test_a_word_that_is_cut_hides_no_special_token(monkeypatch: pytest.MonkeyPatch) -> None:
    model = MaskedModel(*tiny_bert(max_position_embeddings=6))
    asked: list[Masking] = []
    original = model.masked_log_probs
    monkeypatch.setattr(model, "masked_log_probs", lambda given: asked.extend(given) or original(given))  # type: ignore[func-returns-value]
    model.pseudo_log_probs(["Unimaginably"])
    # twelve letters in three windows of four, with [CLS] at 0 and [SEP] at 5
    assert [(len(of.tokens), of.position, of.end) for of in asked] == 3 * [(6, place, 5) for place in (1, 2, 3, 4)]


def test_the_mask_token_is_part_of_the_fingerprint() -> None:
    model = MaskedModel(*tiny_bert())
    before = model.fingerprint()
    model.tokenizer.mask_token = "[UNK]"
    assert model.fingerprint() != before


@settings(deadline=None)
@given(st.lists(st.integers(1, 12), max_size=20), st.integers(1, 8), st.booleans())
def test_windows_hold_every_token_once_and_cut_only_words_that_fit_in_none(
    word_lengths: Sequence[int], room: int, known: bool
) -> None:
    words = [word for word, length in enumerate(word_lengths) for _ in range(length)]
    cuts = list(windows(words if known else None, len(words), room))
    assert [index for first, last in cuts for index in range(first, last)] == list(range(len(words)))
    for first, last in cuts:
        assert 0 < last - first <= room
        if known and last < len(words) and words[last] == words[last - 1]:
            assert words[first] == words[last]  # nothing else is in the window
        if not known:
            assert last - first == room or last == len(words)


def test_special_tokens_are_read_and_not_scored() -> None:
    module, tokenizer = tiny_bert()
    model = MaskedModel(module, tokenizer)
    found = model.pseudo_log_probs(["Catherine", "Catherine!"])
    assert [len(answer) for answer in found] == [len(tokenizer.tokenize(text)) for text in ("Catherine", "Catherine!")]


@pytest.mark.parametrize("text", ["", " "])
def test_a_text_without_tokens_is_refused(text: str) -> None:
    with pytest.raises(MisuseError, match=f"the text {text!r} has no tokens to be scored"):
        MaskedModel(*tiny_bert()).pseudo_log_probs(["Catherine", text])


def test_without_words_only_single_tokens_can_be_masked(monkeypatch: pytest.MonkeyPatch) -> None:
    module, tokenizer = tiny_bert()
    expected = MaskedModel(module, tokenizer).pseudo_log_probs(TEXTS[:1], within_word=False)
    monkeypatch.setattr(type(tokenizer), "is_fast", False)
    model = MaskedModel(module, tokenizer)
    with pytest.raises(MisuseError, match=r"within_word=True needs to know words, .* or use within_word=False"):
        model.pseudo_log_probs(TEXTS[:1])
    assert np.array_equal(model.pseudo_log_probs(TEXTS[:1], within_word=False)[0], expected[0])


def test_a_tokenizer_without_a_mask_is_refused() -> None:
    module, _ = tiny_roberta()
    with pytest.raises(MisuseError, match="the tokenizer of RobertaForMaskedLM has no mask token"):
        MaskedModel(module, byte_tokenizer("$A </s>"))


def test_scoring_leaves_the_model_as_it_was() -> None:
    model = MaskedModel(*tiny_bert())
    before = model.fingerprint()
    model.pseudo_log_probs(TEXTS)
    assert model.fingerprint() == before is not None


def test_it_is_a_masked_model_and_nothing_else() -> None:
    model = MaskedModel(*tiny_bert())
    assert isinstance(model, MaskedLanguageModel)
    assert not isinstance(model, LanguageModel | WindowedModel | ConditionalModel)


def test_no_texts_have_no_scores() -> None:
    assert MaskedModel(*tiny_bert()).pseudo_log_probs([]) == []
