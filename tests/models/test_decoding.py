"""Decoding: greedy as `generate` does it, random as asked for, and the end of a text where it was asked to end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import deepcopy
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import chisquare

from pytest_llm.errors import MisuseError
from pytest_llm.models import continuous_batching, transformers_model
from pytest_llm.models.continuous_batching import Text
from pytest_llm.models.decoding import Sampler, changed_logits, cut_at, end_tokens, greedy, seed_of, stopper, warpers
from pytest_llm.models.fingerprint import structure
from pytest_llm.models.transformers_model import TransformersModel
from pytest_llm.tasks.decoding import Decoding

SHARED = (
    "It was the opinion of everybody in the house, that Catherine had never looked so well as she did that evening, "
)
PROMPTS = [
    "It is a truth",
    "Catherine",
    "The",
    SHARED + "and Henry",
    SHARED + "but",
    SHARED,
    "It is a truth",
    "“I cannot",
    "Mr. Tilney had a house in the country, with a large garden, and",
    "x",
    "She was",
    "There was a",
]
COMMON = Decoding(max_tokens=10)


@pytest.fixture
def model(tiny: TransformersModel) -> Iterator[TransformersModel]:
    """The tiny-decoder with a generation configuration that a test may change."""
    before = tiny.module.generation_config
    tiny.module.generation_config = deepcopy(before)
    yield TransformersModel(tiny.module, tiny.tokenizer, name="tiny")
    tiny.module.generation_config = before


def let_pack(model: TransformersModel, packs: bool) -> None:
    """Let a model be packed, or find that it cannot be."""
    model._reason_not_to_pack = lambda: "" if packs else "for this test"  # type: ignore[method-assign]


def generated(model: TransformersModel, prompt: str, **settings: Any) -> str:
    """What `transformers` writes by itself."""
    tokens = torch.tensor([model.tokenizer(prompt)["input_ids"]])
    settings = {"max_new_tokens": 10, "do_sample": False, "pad_token_id": 0, **settings}
    written = model.module.generate(tokens, attention_mask=torch.ones_like(tokens), **settings)
    return model.decode(written[0, tokens.shape[1] :].tolist())


@pytest.fixture
def packed_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transformers_model, "generate_alone", lambda *arguments: pytest.fail("it was left to generate"))


@pytest.fixture
def alone_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transformers_model, "write_texts", lambda *_, **__: pytest.fail("texts were written together"))


@pytest.mark.usefixtures("packed_only")
@pytest.mark.parametrize("slots", [3, 32])
def test_greedy_texts_are_those_of_generate(
    model: TransformersModel, monkeypatch: pytest.MonkeyPatch, slots: int
) -> None:
    monkeypatch.setattr(continuous_batching, "MOST_SLOTS", {"cpu": slots})
    assert model.generate(PROMPTS, COMMON) == [generated(model, prompt) for prompt in PROMPTS]


@pytest.mark.usefixtures("packed_only")
def test_texts_end_at_their_end_tokens(model: TransformersModel) -> None:
    whole = model.generate(PROMPTS, COMMON)
    ends = sorted({model.encode([text])[0][place] for place, text in enumerate(whole[:3], start=1)})
    model.module.generation_config.eos_token_id = ends
    found = model.generate(PROMPTS, COMMON)
    assert len({len(text) for text in found}) > 3
    for prompt, text in zip(PROMPTS, found, strict=True):
        cut = generated(model, prompt, eos_token_id=ends)
        assert text == cut or any(text + model.decode([end]) == cut for end in ends)


@pytest.mark.usefixtures("packed_only")
def test_one_token_is_the_first_of_many(model: TransformersModel) -> None:
    one = model.generate(PROMPTS, Decoding(max_tokens=1))
    assert one == [generated(model, prompt, max_new_tokens=1) for prompt in PROMPTS]


@pytest.mark.parametrize("together", [True, False])
def test_a_text_ends_before_its_first_stop_string(model: TransformersModel, together: bool) -> None:
    model._probed = structure(model.module), "" if together else "for this test"
    whole = model.generate(PROMPTS[:4], COMMON)
    pieces = [model.decode([token]) for token in model.encode([whole[0]])[0]]
    across = pieces[1][-1] + "".join(pieces[2:4]) + pieces[4][0]  # begins and ends inside tokens
    for stop in [(across,), (across[:1], across), ("never written", whole[1][5:8]), ("never written",)]:
        expected = [text[: min([text.find(s) for s in stop if s in text], default=None)] for text in whole]
        found = model.generate(PROMPTS[:4], Decoding(max_tokens=10, stop=stop))
        assert found == expected
        assert expected != whole or stop == ("never written",)


def test_nothing_is_written_after_a_stop_string(model: TransformersModel, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[list[int]] = []

    def listen(*arguments: Any, **settings: Any) -> list[list[int]]:
        written.extend(continuous_batching.write_texts(*arguments, **settings))
        return written

    monkeypatch.setattr(transformers_model, "write_texts", listen)
    whole = model.generate(PROMPTS[:1], COMMON)[0]
    written.clear()
    model.generate(PROMPTS[:1], Decoding(max_tokens=10, stop=(whole[:6],)))
    assert len(written[0]) < 10
    assert whole[:6] in model.decode(written[0])
    assert whole[:6] not in model.decode(written[0][:-1])


def sampled(model: TransformersModel, prompts: Sequence[str], seed: int = 0, **settings: Any) -> list[str]:
    return model.generate(prompts, Decoding(**{"max_tokens": 8, "temperature": 1.0, "seed": seed, **settings}))


@pytest.mark.parametrize("together", [True, False])
def test_what_is_drawn_depends_on_seed_and_prompt_alone(model: TransformersModel, together: bool) -> None:
    model._probed = structure(model.module), "" if together else "for this test"
    texts = sampled(model, PROMPTS[:6])
    assert sampled(model, PROMPTS[:6]) == texts
    assert [sampled(model, [prompt])[0] for prompt in PROMPTS[:6]] == texts
    assert sampled(model, PROMPTS[5::-1]) == texts[::-1]
    assert len(set(texts)) == 6
    assert all(one != other for one, other in zip(sampled(model, PROMPTS[:6], seed=1), texts, strict=True))


def test_drawing_leaves_the_random_numbers_of_others_alone(model: TransformersModel) -> None:
    for reason in ("", "for this test"):
        model._probed = structure(model.module), reason
        torch.manual_seed(5)
        expected = torch.rand(3)
        torch.manual_seed(5)
        sampled(model, PROMPTS[:2])
        assert torch.equal(torch.rand(3), expected)


def test_equal_prompts_draw_the_same(model: TransformersModel) -> None:
    first, second = sampled(model, ["It is a truth", "It is a truth"])
    assert first == second


@pytest.mark.parametrize("together", [True, False])
def test_drawing_from_the_most_probable_token_alone_is_greedy(model: TransformersModel, together: bool) -> None:
    let_pack(model, together)
    expected = model.generate(PROMPTS[:3], Decoding(max_tokens=8))
    narrow: list[dict[str, Any]] = [{"temperature": 1e-3}, {"temperature": 5.0, "top_k": 1}]
    for settings in [*narrow, {"temperature": 5.0, "top_p": 1e-6}]:
        assert sampled(model, PROMPTS[:3], **settings) == expected
    assert sampled(model, PROMPTS[:3], temperature=5.0) != expected


LOGITS = torch.tensor([2.0, 1.0, 0.5, 0.0, -1.0, -2.0, 1.5, -30.0])


@pytest.mark.parametrize(
    "settings",
    [
        {"temperature": 1.0},
        {"temperature": 0.5},
        {"temperature": 2.0, "top_k": 3},
        {"temperature": 1.0, "top_p": 0.7},
        {"temperature": 1.5, "top_k": 5, "top_p": 0.8},
        {"temperature": 1.0, "top_k": 100},
    ],
)
def test_tokens_are_drawn_with_their_probabilities(settings: dict[str, Any]) -> None:
    """Temperature, top-k, then top-p, written out."""
    scaled = (LOGITS.double() / settings["temperature"]).numpy()
    order = np.argsort(-scaled)
    weights = np.exp(scaled - scaled.max())
    weights[order[settings.get("top_k", len(order)) :]] = 0
    weights /= weights.sum()
    before = np.cumsum(weights[order]) - weights[order]  # what the more probable ones have together
    weights[order[before >= settings.get("top_p", 1.0)]] = 0
    weights /= weights.sum()

    draws = 3000
    sampler = Sampler(Decoding(**settings))
    texts = [Text(index, (index,)) for index in range(draws)]
    counts = np.bincount(sampler(LOGITS.repeat(draws, 1), texts), minlength=len(LOGITS))
    likely = weights > 1e-6
    assert counts[weights == 0].sum() == 0
    assert chisquare(counts[likely], draws * weights[likely] / weights[likely].sum()).pvalue > 1e-3


def test_later_tokens_of_a_text_are_drawn_anew() -> None:
    sampler, text = Sampler(Decoding(temperature=1.0)), Text(0, (1, 2))
    for _ in range(40):
        text.written += sampler(torch.zeros(1, 50), [text])
    assert len(set(text.written)) > 15
    again = Text(0, (1, 2))  # begun anew, as after memory ran out
    for _ in range(40):
        again.written += sampler(torch.zeros(1, 50), [again])
    assert again.written == text.written


def test_a_token_of_no_probability_is_never_drawn() -> None:
    logits = torch.full((500, 30), float("-inf"))
    logits[:, [4, 20]] = 0
    drawn = Sampler(Decoding(temperature=1.0))(logits, [Text(n, (n,)) for n in range(500)])
    assert set(drawn) == {4, 20}


@pytest.mark.parametrize(("height", "drawn"), [(0.0, 4), (0.5, 20), (1 - 2**-53, 20)])
def test_a_random_number_on_an_edge_draws_a_token_that_has_probability(height: float, drawn: int) -> None:
    logits = torch.full((1, 30), float("-inf"))
    logits[:, [4, 20]] = 0
    sampler = Sampler(Decoding(temperature=1.0))
    sampler._generator = lambda text: SimpleNamespace(random=lambda: height)  # type: ignore[method-assign,assignment,return-value]
    assert sampler(logits, [Text(0, (1,))]) == [drawn]


def test_seeds_are_the_same_on_every_machine() -> None:
    assert seed_of(0, (1, 2, 3)) == 11575249550543060238
    assert len({seed_of(0, (1, 23)), seed_of(0, (12, 3)), seed_of(0, (123,)), seed_of(1, (123,))}) == 4


def test_warpers_stand_in_the_order_of_transformers() -> None:
    chain = warpers(Decoding(temperature=0.5, top_k=3, top_p=0.9))
    assert [type(part).__name__ for part in chain] == [
        "TemperatureLogitsWarper",
        "TopKLogitsWarper",
        "TopPLogitsWarper",
    ]
    assert not warpers(Decoding(temperature=1.0))


def test_greedy_takes_the_most_probable() -> None:
    assert greedy(torch.tensor([[0.0, 3.0, 1.0], [5.0, 3.0, 1.0]]), []) == [1, 0]


@pytest.mark.usefixtures("alone_only")
@pytest.mark.parametrize("beams", [2, 4])
def test_beams_are_those_of_transformers(model: TransformersModel, beams: int) -> None:
    prompts = PROMPTS[:4]
    assert model.generate(prompts, Decoding(max_tokens=10, beams=beams)) == [
        generated(model, prompt, num_beams=beams) for prompt in prompts
    ]


@pytest.mark.usefixtures("alone_only")
@pytest.mark.parametrize(
    "setting", [("repetition_penalty", 1.8), ("no_repeat_ngram_size", 1), ("suppress_tokens", [14, 12])]
)
def test_a_checkpoint_that_changes_logits_is_left_to_generate(
    model: TransformersModel, setting: tuple[str, Any]
) -> None:
    prompts = [PROMPTS[0], "no no no no no no", PROMPTS[3]]
    plain = [generated(model, prompt) for prompt in prompts]
    setattr(model.module.generation_config, *setting)
    assert changed_logits(model.module.generation_config) == [setting[0]]
    found = model.generate(prompts, COMMON)
    assert found == [generated(model, prompt) for prompt in prompts]
    assert found != plain or setting[0] == "suppress_tokens"


@pytest.mark.usefixtures("alone_only")
@pytest.mark.parametrize("setting", [("min_p", 0.9), ("typical_p", 0.1), ("epsilon_cutoff", 0.3)])
def test_a_checkpoint_that_narrows_what_is_drawn_is_left_to_generate(
    model: TransformersModel, setting: tuple[str, float]
) -> None:
    model._probed = structure(model.module), "for this test"
    plain = sampled(model, PROMPTS[:3])
    model._probed = None
    setattr(model.module.generation_config, *setting)
    assert sampled(model, PROMPTS[:3]) != plain


def test_settings_that_change_nothing_are_not_left_to_generate(model: TransformersModel) -> None:
    configured = model.module.generation_config
    for name, value in (("repetition_penalty", 1.0), ("no_repeat_ngram_size", 0), ("suppress_tokens", [])):
        setattr(configured, name, value)
    assert changed_logits(configured) == []
    assert changed_logits(None) == []


@pytest.mark.usefixtures("alone_only")
def test_a_model_that_cannot_be_packed_writes_all_the_same(model: TransformersModel) -> None:
    model._probed = structure(model.module), "for this test"
    assert model.generate(PROMPTS[:3], COMMON) == [generated(model, prompt) for prompt in PROMPTS[:3]]


@pytest.mark.usefixtures("alone_only")
def test_sampling_alone_takes_its_settings_from_the_request_only(model: TransformersModel) -> None:
    model._probed = structure(model.module), "for this test"
    expected = sampled(model, PROMPTS[:2])
    for name, value in (("top_k", 1), ("top_p", 0.01), ("temperature", 0.01)):
        setattr(model.module.generation_config, name, value)
    assert sampled(model, PROMPTS[:2]) == expected


def test_a_text_beyond_the_reach_of_attention_is_written_alone(
    model: TransformersModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompts = ["It is a truth", SHARED * 3]
    monkeypatch.setattr(model.module.config, "sliding_window", 40, raising=False)
    assert model.generate(prompts, COMMON) == [generated(model, prompt) for prompt in prompts]


def test_no_prompts_have_no_texts(model: TransformersModel) -> None:
    assert model.generate([], COMMON) == []


def test_a_prompt_that_leaves_no_room_is_refused(model: TransformersModel) -> None:
    word = model.decode(model.encode([" the"])[0])
    assert len(model.generate([word * 250], Decoding(max_tokens=6))) == 1
    with pytest.raises(
        MisuseError, match=r"has 250 tokens, which with max_tokens=7 is more than the 256 that tiny can read"
    ):
        model.generate([word * 250], Decoding(max_tokens=7))


def test_a_prompt_without_tokens_is_refused(model: TransformersModel) -> None:
    with pytest.raises(MisuseError, match="a prompt is empty, and the tokenizer has no BOS to begin with"):
        model.generate(["It is", ""], COMMON)


def test_ends_are_the_generation_configurations_else_the_tokenizers(model: TransformersModel) -> None:
    configured = model.module.generation_config
    for given, expected in ((5, {5}), ([5, 6], {5, 6}), (None, {0})):
        configured.eos_token_id = given
        assert end_tokens(model.module, model.tokenizer) == expected


def test_a_tail_is_enough_to_see_a_stop_string() -> None:
    decoded: list[int] = []

    def decode(tokens: list[int]) -> str:
        decoded.append(len(tokens))
        return "".join(map(chr, tokens))

    finished = stopper(("end", "."), frozenset([10]), decode)
    long = [ord("x")] * 1000
    assert not finished(Text(0, (), long))
    assert finished(Text(0, (), [*long, *map(ord, "end")]))
    assert finished(Text(0, (), [ord(".")]))
    assert finished(Text(0, (), [10]))
    assert max(decoded) <= 20


def test_a_text_is_cut_at_the_first_of_its_stop_strings() -> None:
    assert cut_at("one, two.", (".", ", ")) == "one"
    assert cut_at("one", (".",)) is None
    assert cut_at(".one", (".",)) == ""
    assert cut_at("one", ()) is None
