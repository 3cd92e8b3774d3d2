"""Each contract is red on a model that breaks it, says where and how much, and is green on models that keep it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch

import pytest_llm
from pytest_llm import (
    Measurement,
    MisuseError,
    Outcome,
    QualityError,
    assert_batch_invariant,
    assert_cache_consistent,
    assert_causal,
    assert_deterministic,
    assert_device_close,
    assert_dtype_close,
    assert_finite_logits,
    assert_padding_invariant,
    assert_save_load_identical,
    assert_tokenizer_round_trips,
)
from pytest_llm.recording import recording
from pytest_llm.transformer.architectures import CausalLM, MaskedLM, Seq2SeqLM
from pytest_llm.transformer.config import Config
from tests import old_releases
from tests import planted_faults as faults
from tests.tiny_checkpoints import (
    byte_tokenizer,
    tiny_bart,
    tiny_bert,
    tiny_distilbert,
    tiny_gpt2,
    tiny_llama,
    tiny_roberta,
    tiny_t5,
)


def core(kind: type[torch.nn.Module], **settings: Any) -> torch.nn.Module:
    torch.manual_seed(3)
    size = {"vocabulary": 60, "width": 16, "layers": 2, "heads": 2, "max_length": 48}
    module = kind(Config(**{**size, **settings}))
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.dim() == 2:
                parameter.normal_(0, 0.3)
    return module.eval()


def lookup(ids: torch.Tensor) -> torch.Tensor:
    """A user's own function: a bigram model."""
    return torch.sin(torch.arange(20 * 20.0)).reshape(20, 20)[ids]


DECODERS: dict[str, Callable[[], Any]] = {
    "tiny-decoder": lambda: "tiny-decoder",
    "llama": tiny_llama,
    "gpt2": tiny_gpt2,
    "t5": tiny_t5,
    "bart": tiny_bart,
    "core decoder": lambda: core(CausalLM),
    "core encoder-decoder": lambda: core(Seq2SeqLM, decoder_layers=2),
}
ENCODERS: dict[str, Callable[[], Any]] = {
    "bert": tiny_bert,
    "roberta": tiny_roberta,
    "distilbert": tiny_distilbert,
    "core encoder": lambda: core(MaskedLM, positions="learned"),
}
ALL = {**DECODERS, **ENCODERS}
A_FEW = {name: ALL[name] for name in ("llama", "bart", "bert", "core decoder")}
FUNCTION: dict[str, Callable[[], Any]] = {"function": lambda: lookup}

CACHED_STEPS = {
    (assert_cache_consistent, name): old_releases.writes_into_expanded_masks
    for name in ("tiny-decoder", "llama", "gpt2")
}
GREEN: list[tuple[Callable[..., Measurement], str, Callable[[], Any], dict[str, Any]]] = [
    *((assert_causal, name, model, {}) for name, model in {**DECODERS, **FUNCTION}.items()),
    *((assert_padding_invariant, name, model, {}) for name, model in ALL.items()),
    *((assert_batch_invariant, name, model, {}) for name, model in {**ALL, **FUNCTION}.items()),
    *((assert_cache_consistent, name, model, {}) for name, model in DECODERS.items()),
    *((assert_deterministic, name, model, {}) for name, model in {**ALL, **FUNCTION}.items()),
    *((assert_save_load_identical, name, model, {}) for name, model in A_FEW.items()),
    *((assert_finite_logits, name, model, {}) for name, model in ALL.items() if name != "t5"),
    (assert_finite_logits, "function", lambda: lookup, {"length": 100}),
    *((assert_dtype_close, name, model, {}) for name, model in A_FEW.items()),
    (assert_device_close, "llama", tiny_llama, {"device": "cpu"}),
    (assert_tokenizer_round_trips, "tiny-decoder", lambda: "tiny-decoder", {}),
]


@pytest.mark.parametrize(
    ("contract", "model", "settings"),
    [
        pytest.param(
            contract, model, settings, id=f"{contract.__name__}-{name}", marks=CACHED_STEPS.get((contract, name), ())
        )
        for contract, name, model, settings in GREEN
    ],
)
def test_a_model_that_keeps_it_passes(
    contract: Callable[..., Measurement], model: Callable[[], Any], settings: dict[str, Any]
) -> None:
    with recording() as recorder:
        measured = contract(model(), **settings)
    (verdict,) = recorder.verdicts
    assert verdict.outcome is Outcome.PASSED
    assert verdict.measurement is measured
    assert measured.n == len(measured.example_values) > 0
    assert "differ" in verdict.sentence


RED: list[tuple[str, Callable[..., Measurement], Callable[[], Any], str, str]] = [
    (
        "not masked",
        assert_causal,
        faults.not_masked,
        r"not causal: changing token 31 changes the logits of position 0 of text 1 by [\d.]+ \(tolerance [\d.e-]+\)",
        r"begins +model.layers.1, one of 2 layers, is the first whose output differs here: by [\d.]+, where [\d.e-]+ would be",
    ),
    (
        "mask one off",
        assert_causal,
        faults.mask_one_off,
        r"not causal: changing token 1 changes the logits of position 0 of text 1 by",
        r"model.layers.1, one of 2 layers",
    ),
    (
        "a block's edge",
        assert_causal,
        faults.leaks_at_block,
        r"not causal: changing token 16 changes the logits of position 15 of text 1 by",
        r"model.layers.1, one of 2 layers",
    ),
    (
        "an encoder",
        assert_causal,
        tiny_bert,
        r"not causal: changing token 31 changes the logits of position 0",
        r"looks +head",
    ),
    (
        "padding not masked",
        assert_padding_invariant,
        faults.padding_not_masked,
        r"not padding-invariant: \d pads? on the left changes? the logits of position \d+ of \w+ 1 by",
        r"model.layers.0, one of 2 layers",
    ),
    (
        "padding mask one off",
        assert_padding_invariant,
        faults.padding_mask_one_off,
        r"not padding-invariant: \d+ pads? on the (left|right) changes? the logits of position",
        r"model.layers.0, one of 2 layers",
    ),
    (
        "padding counted",
        assert_padding_invariant,
        faults.padding_counted,
        r"not padding-invariant: \d pads? on the left",
        r"what goes into the first of 2 layers differs already",
    ),
    (
        "rows mixed",
        assert_batch_invariant,
        faults.mixes_rows,
        r"not batch-invariant: .* changes the logits of position \d+ of .* by",
        r"model.layers.1, one of 2 layers",
    ),
    (
        "a stale cache",
        assert_cache_consistent,
        faults.StaleCache,
        r"not consistent with its cache: reading random \d between steps of another text changes",
        r"differ ",
    ),
    (
        "one step late",
        assert_cache_consistent,
        faults.OneStepLate,
        r"not consistent with its cache: reading .* changes its logits from position 1 on, by",
        r"what goes into the first of 2 layers differs already",
    ),
    (
        "cached positions one off",
        assert_cache_consistent,
        faults.cached_positions_one_off,
        r"not consistent with its cache: reading .* changes (its|the) logits (from|of) position",
        r"model.layers.0, one of 2 layers",
    ),
    (
        "dropout left on",
        assert_deterministic,
        faults.dropout_left_on,
        r"not deterministic: \w+ 1, asked again (at once|after another text), differs by [\d.]+ at position",
        r"to mend +model.eval\(\)",
    ),
    (
        "a memory",
        assert_deterministic,
        faults.remembers,
        r"not deterministic: random \d, asked again at once, differs by 1 at position",
        r"after another text",
    ),
    (
        "saving rounds",
        assert_save_load_identical,
        faults.saving_rounds,
        r"not the same after saving and loading: the model that was (saved|loaded) differs by",
        r"begins +model.norm.weight of the model that was saved differs by [\d.]+ at most",
    ),
    (
        "a scale not saved",
        assert_save_load_identical,
        faults.scale_not_saved,
        r"not the same after saving and loading: the model that was loaded differs by",
        r"to mend +what the logits depend on must be a parameter",
    ),
    (
        "moving rounds",
        partial(assert_device_close, device="cpu"),
        faults.moving_rounds,
        r"not close to itself on cpu: the logits of position \d+ of \w+ 1 differ by [\d.]+ \(tolerance",
        r"allow_tf32",
    ),
    (
        "worse in bfloat16",
        assert_dtype_close,
        lambda: faults.worse_in(torch.bfloat16),
        r"not close to itself in bfloat16: \w+ 1 is [\d.]+ nats away \(tolerance [\d.e-]+\)",
        r"tolerance +[\d.e-]+: 4 times what it is with weights rounded to bfloat16",
    ),
]


@pytest.mark.parametrize(
    ("contract", "model", "first_line", "evidence"),
    [
        pytest.param(
            *case, id=name, marks=old_releases.writes_into_expanded_masks if name == "cached positions one off" else ()
        )
        for name, *case in RED
    ],
)
def test_a_model_that_breaks_it_fails_and_the_message_says_where(
    contract: Callable[..., Measurement], model: Callable[[], Any], first_line: str, evidence: str
) -> None:
    with recording() as recorder, pytest.raises(QualityError) as caught:
        contract(model())
    message = str(caught.value)
    assert re.match(first_line, message), message
    assert re.search(evidence, message), message
    (verdict,) = recorder.verdicts
    assert verdict.outcome is Outcome.FAILED
    assert verdict.measurement.value > 0


@pytest.mark.parametrize(
    "contract",
    [
        assert_causal,
        assert_padding_invariant,
        assert_batch_invariant,
        assert_cache_consistent,
        assert_save_load_identical,
    ],
)
def test_dropout_left_on_is_named_by_every_contract(contract: Callable[..., Measurement]) -> None:
    with pytest.raises(
        QualityError, match=r"the same tokens asked twice differ by .*, so nothing else can be told"
    ) as caught:
        contract(faults.dropout_left_on())
    assert "model.eval()" in str(caught.value)


def test_the_heads_that_look_ahead_are_named() -> None:
    module, tokenizer = tiny_bert(num_hidden_layers=1)
    with pytest.raises(
        QualityError, match=r"looks +heads? 0.* of 2 in layer 0; head \d most, with a weight of [\d.e-]+"
    ):
        assert_causal((module, tokenizer), ids=[list(range(10, 20))])
    assert module.config._attn_implementation == "sdpa"  # as it was


def test_no_number_is_an_error_and_no_pass() -> None:
    module, tokenizer = tiny_llama()
    with torch.no_grad():
        module.lm_head.weight[3] = torch.nan
    for contract in (assert_causal, assert_padding_invariant, assert_cache_consistent, assert_batch_invariant):
        with pytest.raises(QualityError, match=r"cannot be told to be .* are no numbers") as caught:
            contract((module, tokenizer))
        assert caught.value.verdict.outcome is Outcome.ERROR
    with pytest.raises(QualityError, match="not finite: 1 logit of 1 token is no number, first at position 0"):
        assert_finite_logits((module, tokenizer))


def test_a_context_that_is_shorter_than_stated_breaks_at_its_edge() -> None:
    module, tokenizer = tiny_gpt2()
    module.config.n_positions = 80  # there are 64
    with pytest.raises(
        QualityError, match=r"not finite: reading a text of 80 tokens, the edge of the context, raises \w+"
    ):
        assert_finite_logits((module, tokenizer))
    assert assert_finite_logits((module, tokenizer), length=64).value == 0


def test_a_given_tolerance_decides() -> None:
    with pytest.raises(QualityError) as caught:
        assert_causal(faults.mask_one_off())
    most = caught.value.verdict.measurement.value
    assert assert_causal(faults.mask_one_off(), tolerance=2 * most).value > 0
    with pytest.raises(QualityError, match="they have to be equal"):
        assert_padding_invariant(tiny_llama(), tolerance=0)


def test_a_limit_of_the_divergence_decides() -> None:
    value = assert_dtype_close(tiny_llama(), limit=1).value
    with pytest.raises(QualityError, match=rf"is {value:.4g} nats away"):
        assert_dtype_close(tiny_llama(), limit=value / 2)


def test_texts_and_ids_of_ones_own_are_read() -> None:
    measured = assert_causal(tiny_llama(), texts=["It is a truth universally acknowledged"], ids=[[7, 8, 9]], length=6)
    assert measured.data == "2 sequences of 3 to 6 tokens (ids 1, text 1)"


def test_what_normalises_has_to_give_back_its_tokens_only() -> None:
    tokenizer = byte_tokenizer("$A </s>")
    decoding = json.loads(tokenizer.backend_tokenizer.to_str())
    decoding["decoder"] = {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True}

    def with_normalizer(normalizer: Any) -> Any:
        from tokenizers import Tokenizer
        from transformers import PreTrainedTokenizerFast

        untyped: Any = PreTrainedTokenizerFast
        return untyped(tokenizer_object=Tokenizer.from_str(json.dumps({**decoding, "normalizer": normalizer})))

    assert assert_tokenizer_round_trips(with_normalizer(None)).signature == "tokenizer_round_trip|text"
    lower = with_normalizer({"type": "Lowercase"})
    assert assert_tokenizer_round_trips(lower).signature == "tokenizer_round_trip|tokens"
    with pytest.raises(
        QualityError, match=r"not a tokenizer that gives back the text: 'The quick .*' comes back as 'the quick"
    ):
        assert_tokenizer_round_trips(lower, ["The quick brown fox"], exactly="text")
    with pytest.raises(QualityError, match="not a tokenizer that gives back its tokens"):
        assert_tokenizer_round_trips(byte_tokenizer("$A </s>"), ["two words"], exactly="tokens")  # it has no decoder


MISUSES: list[tuple[Callable[[], Any], str]] = [
    (lambda: assert_causal(3), "int does not show its logits: expected a path"),
    (lambda: assert_causal(lambda ids: "no"), r"returned str, no logits \[batch, length, entries\]"),
    (lambda: assert_causal(lambda ids: ids.float()), r"of shape \(1, 1\); expected logits"),
    (lambda: assert_causal(lookup, texts=["a text"]), "has no tokenizer: give the pair"),
    (lambda: assert_causal(tiny_llama(), texts="a text"), "expected a list of texts"),
    (lambda: assert_causal(tiny_t5(), texts=[""]), "a contract takes at least 2"),
    (lambda: assert_causal(lookup, ids=[[1, 20]]), "a token outside the vocabulary, 0 to 19"),
    (lambda: assert_causal(lookup, ids=[[1]]), "expected at least 2 token ids"),
    (lambda: assert_causal(lookup, length=1), "length=1: expected at least 2 tokens"),
    (lambda: assert_causal(tiny_gpt2(), length=65), "length=65 is more than the 64 tokens"),
    (lambda: assert_causal(lookup, tolerance=-1), "tolerance=-1: expected a finite number"),
    (lambda: assert_causal(lookup, tolerance=float("nan")), "tolerance=nan: expected a finite number"),
    (lambda: assert_padding_invariant(lookup), "takes no attention_mask"),
    (lambda: assert_padding_invariant(tiny_llama(), sides=["top"]), "expected 'left', 'right' or both"),  # type: ignore[list-item]
    (lambda: assert_padding_invariant(tiny_llama(), amounts=[0]), "expected numbers of pads"),
    (lambda: assert_cache_consistent(lookup), "takes no cache"),
    (lambda: assert_cache_consistent(tiny_bert()), "takes no cache"),
    (lambda: assert_deterministic(lookup, repeats=1), "repeats=1: it takes at least 2"),
    (lambda: assert_save_load_identical(lookup), "is no torch module: it has no weights"),
    (lambda: assert_finite_logits(lookup), "does not say how many tokens it can read: give length="),
    (lambda: assert_finite_logits(lookup, length=0), "length=0: expected at least 1 token"),
    (lambda: assert_dtype_close(tiny_llama(), "int8"), "dtype='int8': expected 'bfloat16'"),  # type: ignore[arg-type]
    (lambda: assert_dtype_close(lookup), "cannot be copied to another type"),
    (lambda: assert_device_close(tiny_llama(), "cuda:77"), "device 'cuda:77' is not there; this machine has: cpu"),
    (lambda: assert_device_close(tiny_llama(), "tpu"), "device 'tpu': expected auto, cpu, cuda"),
    (lambda: assert_device_close(lookup, "cpu"), "cannot be copied to another type or device"),
    (lambda: assert_tokenizer_round_trips(lookup), "is no tokenizer of transformers, and no model that has one"),
    (lambda: assert_tokenizer_round_trips(tiny_llama(), []), "expected at least one text"),
    (lambda: assert_tokenizer_round_trips(tiny_llama(), exactly="x"), "expected 'text', 'tokens' or None"),  # type: ignore[arg-type]
]


@pytest.mark.parametrize(("call", "message"), MISUSES, ids=[message for _, message in MISUSES])
def test_what_cannot_be_examined_is_refused(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(MisuseError, match=message):
        call()


def test_every_contract_has_a_case() -> None:
    contracts = {name for name, home in pytest_llm._HOMES.items() if home == "assertions.contracts"}
    assert contracts - {"assert_attention_close"} == {contract.__name__ for contract, *_ in GREEN}
