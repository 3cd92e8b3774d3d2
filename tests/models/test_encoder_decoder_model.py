"""Scoring of targets given sources, held against transformers' own loss and a loop without batches."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_llm import MisuseError
from pytest_llm.models import head_rows
from pytest_llm.models.encoder_decoder_model import EncoderDecoderModel, _batches
from pytest_llm.models.language_model import ConditionalModel, LanguageModel, MaskedLanguageModel, WindowedModel
from pytest_llm.statistics.jackknife import FloatArray
from tests.tiny_checkpoints import TEXTS, tiny_bart, tiny_t5

# Several targets per source, sources and targets of many lengths, not in order of length.
PAIRS = [
    (TEXTS[3], TEXTS[2]),
    (TEXTS[0], TEXTS[3]),
    (TEXTS[1], TEXTS[0]),
    (TEXTS[0], TEXTS[4]),
    (TEXTS[3], "a"),
    (TEXTS[0], TEXTS[2]),
]
MAKERS = [tiny_t5, tiny_bart]
Maker = Callable[..., tuple[Any, Any]]


def reference(module: Any, tokenizer: Any, source: str, target: str) -> FloatArray:
    """The log-probability of every label, with all special tokens, in float64, one pair at a time, from the definition."""
    double = type(module)(module.config).double().eval()
    double.load_state_dict(module.state_dict())
    ids = torch.tensor([tokenizer(source)["input_ids"]])
    labels = torch.tensor([tokenizer(target)["input_ids"]])
    with torch.no_grad():
        logits = double(input_ids=ids, labels=labels).logits[0]
    chosen: FloatArray = torch.log_softmax(logits, dim=-1).gather(1, labels[0][:, None])[:, 0].numpy()
    return chosen


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("score_eos", [True, False])
def test_agrees_with_a_float64_loop_over_pairs(make: Maker, score_eos: bool) -> None:
    module, tokenizer = make()
    before = len(tokenizer("")["input_ids"]) - 1  # BART's <s>
    found = EncoderDecoderModel(module, tokenizer).score_pairs(PAIRS, score_eos=score_eos)
    for pair, answer in zip(PAIRS, found, strict=True):
        expected = reference(module, tokenizer, *pair)[before:]
        np.testing.assert_allclose(answer, expected if score_eos else expected[:-1], rtol=1e-5, atol=1e-5)


def test_the_mean_is_the_loss_of_transformers_for_t5() -> None:
    module, tokenizer = tiny_t5()
    found = EncoderDecoderModel(module, tokenizer).score_pairs(PAIRS)
    for (source, target), answer in zip(PAIRS, found, strict=True):
        ids, labels = (torch.tensor([tokenizer(text)["input_ids"]]) for text in (source, target))
        with torch.no_grad():
            loss = float(module(input_ids=ids, labels=labels).loss)
        assert -answer.mean() == pytest.approx(loss, rel=1e-5)


@pytest.mark.parametrize("scale", [True, False])
def test_what_t5_does_before_the_head_is_done(scale: bool) -> None:
    module, tokenizer = tiny_t5(scale_decoder_outputs=scale)
    (answer,) = EncoderDecoderModel(module, tokenizer).score_pairs(PAIRS[:1])
    np.testing.assert_allclose(answer, reference(module, tokenizer, *PAIRS[0]), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("make", MAKERS)
def test_batches_and_padding_change_nothing(make: Maker) -> None:
    model = EncoderDecoderModel(*make())
    together = model.score_pairs(PAIRS)
    model.budget.tokens = 1
    for one, other in zip(together, model.score_pairs(PAIRS), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("make", MAKERS)
def test_each_distinct_source_is_encoded_once(make: Maker) -> None:
    model = EncoderDecoderModel(*make())
    model.score_pairs(PAIRS[:1])  # with the probe
    rows: list[int] = []
    hook = model.module.get_encoder().register_forward_hook(
        lambda module, given, output: rows.append(len(output.last_hidden_state))
    )
    model.score_pairs(PAIRS)
    hook.remove()
    assert sum(rows) == len({source for source, _ in PAIRS}) == 3


@pytest.mark.parametrize("make", MAKERS)
def test_the_head_sees_only_rows_that_are_scored(make: Maker) -> None:
    model = EncoderDecoderModel(*make())
    model.score_pairs(PAIRS[:1])
    rows: list[int] = []
    hook = model.module.get_output_embeddings().register_forward_hook(
        lambda module, given, output: rows.append(output.numel() // output.shape[-1])
    )
    found = model.score_pairs(PAIRS)
    hook.remove()
    assert sum(rows) == sum(map(len, found))


def test_a_model_that_bears_no_hook_gives_the_same_numbers(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    module, tokenizer = tiny_bart()
    expected = EncoderDecoderModel(module, tokenizer).score_pairs(PAIRS)
    forward = type(module).forward

    def reshaping(self: Any, *arguments: Any, **settings: Any) -> Any:
        """Stands for an architecture that counts on the shape of its logits."""
        output = forward(self, *arguments, **settings)
        output.logits = output.logits.view(settings["decoder_input_ids"].numel(), -1).view_as(output.logits)
        return output

    monkeypatch.setattr(type(module), "forward", reshaping)
    with caplog.at_level(logging.INFO, logger=head_rows.logger.name):
        found = EncoderDecoderModel(module, tokenizer).score_pairs(PAIRS)
    assert "BartForConditionalGeneration computes all logits" in caplog.text
    for one, other in zip(expected, found, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)


def test_a_head_that_sees_other_rows_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shapes fit here; only the numbers show that rows are taken from the wrong end."""
    module, tokenizer = tiny_t5()
    decoder = type(module.decoder).forward

    def reversing(self: Any, *arguments: Any, **settings: Any) -> Any:
        output = decoder(self, *arguments, **settings)
        if self.is_decoder:
            output.last_hidden_state = output.last_hidden_state.flip(1)
        return output

    class Forth(torch.nn.Linear):
        def forward(self, given: torch.Tensor) -> torch.Tensor:
            return super().forward(given.flip(1))

    head = Forth(module.config.d_model, len(tokenizer), bias=False)
    head.weight = module.lm_head.weight
    expected = EncoderDecoderModel(module, tokenizer).score_pairs(PAIRS)
    module.lm_head = head
    monkeypatch.setattr(type(module.decoder), "forward", reversing)
    for one, other in zip(expected, EncoderDecoderModel(module, tokenizer).score_pairs(PAIRS), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)


def test_probabilities_of_all_next_tokens_sum_to_one() -> None:
    """Law: Σ over the vocabulary of p(token | source, target so far) = 1; the end token is one of them."""
    module, tokenizer = tiny_t5()
    singles = [tokenizer.decode([token]) for token in range(5, len(tokenizer))]
    printable = [text for text in singles if len(tokenizer(text)["input_ids"]) == 2]
    found = EncoderDecoderModel(module, tokenizer).score_pairs(
        [(TEXTS[0], text) for text in printable], score_eos=False
    )
    with torch.no_grad():
        ids = torch.tensor([tokenizer(TEXTS[0])["input_ids"]])
        start = torch.tensor([[module.config.decoder_start_token_id]])
        rest = torch.softmax(module(input_ids=ids, decoder_input_ids=start).logits[0, 0].double(), dim=-1)
    tokens = [tokenizer(text)["input_ids"][0] for text in printable]
    unseen = [token for token in range(len(rest)) if token not in tokens]
    assert sum(np.exp(answer[0]) for answer in found) + float(rest[unseen].sum()) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize(("pair", "message"), [((TEXTS[0] * 3, "a"), "source"), (("a", TEXTS[0] * 3), "target")])
def test_what_is_longer_than_the_model_reads_is_refused(make: Maker, pair: tuple[str, str], message: str) -> None:
    length = {"max_position_embeddings": 60} if make is tiny_bart else {"n_positions": 60}
    model = EncoderDecoderModel(*make(**length))
    with pytest.raises(MisuseError, match=rf"the {message} 'It is a truth .* tokens, but .* reads at most 60: shorten"):
        model.score_pairs([("fine", "fine"), pair])


def test_a_target_as_long_as_the_model_reads_is_scored() -> None:
    _, tokenizer = tiny_bart()
    length = len(tokenizer(TEXTS[0])["input_ids"])
    short, _ = tiny_bart(max_position_embeddings=length)
    (answer,) = EncoderDecoderModel(short, tokenizer).score_pairs([(TEXTS[0], TEXTS[0])])
    assert len(answer) == length - 1


def test_a_target_without_tokens_is_refused() -> None:
    model = EncoderDecoderModel(*tiny_t5())
    with pytest.raises(MisuseError, match="the target '' of the source 'fine' has no tokens"):
        model.score_pairs([("fine", "fine"), ("fine", "")])


@pytest.mark.parametrize("pair", [("a\ud800", "fine"), ("fine", "a\ud800")])
def test_a_text_that_cannot_be_tokenized_is_named(pair: tuple[str, str]) -> None:
    with pytest.raises(MisuseError, match=r"the text 'a\\ud800' cannot be tokenized"):
        EncoderDecoderModel(*tiny_t5()).score_pairs([("fine", "fine"), pair])


def test_a_model_that_does_not_say_where_decoding_starts_is_refused() -> None:
    module, tokenizer = tiny_t5()
    module.config.decoder_start_token_id = None
    module.generation_config.decoder_start_token_id = None
    with pytest.raises(MisuseError, match="has no decoder_start_token_id"):
        EncoderDecoderModel(module, tokenizer)


def test_a_tokenizer_larger_than_the_model_is_refused() -> None:
    module, tokenizer = tiny_t5()
    tokenizer.add_tokens(["<extra>"])
    with pytest.raises(MisuseError, match=r"the tokenizer has \d+ entries, but T5ForConditionalGeneration embeds only"):
        EncoderDecoderModel(module, tokenizer)


def test_scoring_leaves_the_model_as_it_was() -> None:
    model = EncoderDecoderModel(*tiny_bart())
    before = model.fingerprint()
    model.score_pairs(PAIRS)
    assert model.fingerprint() == before is not None


def test_what_a_tokenizer_puts_around_texts_is_part_of_the_fingerprint() -> None:
    """As where the languages of a translation are set on the tokenizer."""
    from tokenizers import processors

    model = EncoderDecoderModel(*tiny_t5())
    before = model.fingerprint()
    model.tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(single="$A", special_tokens=[])
    assert model.fingerprint() != before


def test_targets_are_encoded_as_targets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Marian has a vocabulary for each side, and tells them apart by the argument's name."""
    model = EncoderDecoderModel(*tiny_t5())
    asked: list[tuple[str, list[str]]] = []
    kind = type(model.tokenizer)
    original = kind.__call__

    def noting(self: Any, text: Any = None, *, text_target: Any = None, **settings: Any) -> Any:
        asked.append(("source", text) if text_target is None else ("target", text_target))
        return original(self, text=text, text_target=text_target, **settings)

    monkeypatch.setattr(kind, "__call__", noting)
    model.score_pairs(PAIRS[:1])
    assert asked == [("source", [PAIRS[0][0]]), ("target", [PAIRS[0][1]])]


def test_it_is_a_conditional_model_and_nothing_else() -> None:
    model = EncoderDecoderModel(*tiny_bart(), name="bart")
    assert isinstance(model, ConditionalModel)
    assert not isinstance(model, LanguageModel | WindowedModel | MaskedLanguageModel)
    assert str(model.provenance).startswith("bart (BartForConditionalGeneration, 0.0")


def test_no_pairs_have_no_scores() -> None:
    assert EncoderDecoderModel(*tiny_t5()).score_pairs([]) == []


@settings(deadline=None)
@given(
    st.lists(st.integers(1, 9000), max_size=50),
    st.integers(0, 5000),
    st.one_of(st.none(), st.integers(1, 20_000)),
)
def test_batches_hold_every_row_once_within_the_budget(lengths: list[int], extra: int, most: int | None) -> None:
    batches = list(_batches(lengths, 4096, extra=extra, most=most))
    assert sorted(index for batch in batches for index in batch) == list(range(len(lengths)))
    for batch in batches:
        longest = max(lengths[index] for index in batch)
        if len(batch) > 1:
            assert len(batch) * (longest + extra) <= 4096
            assert most is None or len(batch) * longest <= most
    assert [lengths[index] for batch in batches for index in batch] == sorted(lengths, reverse=True)
