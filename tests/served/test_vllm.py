"""vLLM with the shipped model, held against the same model read by transformers, both in float32."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pytest_llm import (
    Arrival,
    Choose,
    Decoding,
    Endpoint,
    Generate,
    MisuseError,
    assert_latency_below,
    embedded,
    load_examples,
    measure,
)
from pytest_llm.models.endpoint import scoring
from pytest_llm.models.language_model import Window
from pytest_llm.models.transformers_model import TransformersModel
from pytest_llm.tasks.score import Score
from tests.served.real_servers import RealServer, running, vllm

pytestmark = [
    pytest.mark.server,
    pytest.mark.slow,
    pytest.mark.skipif("PYTEST_LLM_VLLM" not in os.environ, reason="PYTEST_LLM_VLLM names no Python with vLLM"),
]
BOS = "<|endoftext|>"
WORDS = [example.text.split() for example in load_examples(embedded("data/held_out.jsonl"))]
TEXTS = [*(" ".join(words[:30]) for words in WORDS[:6]), "Café – naïve résumé, 10 °C: 你好"]
LONG = [*(" ".join(words[:300]) for words in WORDS[:3]), "Café – naïve résumé, 10 °C: 你好\n\n " * 12]


@pytest.fixture(scope="module")
def server(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealServer]:
    with running(vllm(checkpoint, tmp_path_factory.mktemp("log"))) as server:
        yield server


@pytest.mark.parametrize("way", scoring.WAYS)
@pytest.mark.parametrize("prefix", ["", BOS])
def test_each_token_has_the_probability_that_it_has_here(
    server: RealServer, tiny: TransformersModel, monkeypatch: pytest.MonkeyPatch, way: str, prefix: str
) -> None:
    monkeypatch.setattr(scoring, "WAYS", {way: scoring.WAYS[way]})
    served = Endpoint(server.url, prefix=prefix)
    assert tiny.prefix_token is not None
    begin = [tiny.prefix_token] if prefix else []
    windows = [Window((*begin, *own), len(own) - (not prefix)) for own in tiny.encode(TEXTS)]

    for here, there in zip(tiny.score_windows(windows), served.score(TEXTS), strict=True):
        np.testing.assert_allclose(there, here, atol=2e-4)
    first = "scored" if prefix else "not scored"
    assert f"first token:{first}|asked:{way}" in str(served.signature_of(Score(), "tokens"))


def test_texts_have_the_perplexity_that_they_have_here(server: RealServer, tiny: TransformersModel) -> None:
    served = measure(Endpoint(server.url, prefix=BOS), TEXTS, "byte_perplexity")
    assert served.value == pytest.approx(measure(tiny, TEXTS, "byte_perplexity").value, rel=1e-5)


def test_choices_have_the_probabilities_that_they_have_here(server: RealServer, tiny: TransformersModel) -> None:
    rows = [
        {"text": " ".join(words[:20]), "choices": [" ".join(words[20:24]), "a b c"], "target": 0} for words in WORDS[:4]
    ]
    here, there = (measure(model, rows, "acc", task=Choose("{text}")) for model in (tiny, Endpoint(server.url)))
    assert here.outputs is not None
    assert there.outputs is not None
    for own, other in zip(here.outputs, there.outputs, strict=True):
        np.testing.assert_allclose(other.log_likelihoods, own.log_likelihoods, atol=1e-3)


def test_it_writes_what_the_loaded_model_writes(server: RealServer, tiny: TransformersModel) -> None:
    decoding = Decoding(max_tokens=16)
    here = list(tiny.generate(TEXTS, decoding))
    served = Endpoint(server.url)
    assert served.generate(TEXTS, decoding) == here
    assert Endpoint(server.url, mode="chat").generate(TEXTS, decoding) == here
    assert "".join(served.stream(TEXTS[0], decoding)) == here[0]
    assert served.usage.completion_tokens == 16 * (len(TEXTS) + 1)


def test_stop_strings_are_left_out(server: RealServer, tiny: TransformersModel) -> None:
    decoding = Decoding(max_tokens=24, stop=(",", "."))
    assert Endpoint(server.url).generate(TEXTS, decoding) == list(tiny.generate(TEXTS, decoding))


def test_a_seed_draws_the_same_text_again(server: RealServer) -> None:
    served = Endpoint(server.url)
    drawn = [
        served.generate(TEXTS[:2], Decoding(max_tokens=12, temperature=1.0, top_k=50, seed=seed)) for seed in (1, 1, 2)
    ]
    assert drawn[0] == drawn[1] != drawn[2]


@pytest.mark.parametrize("metric", ["time_to_first_token", "time_per_output_token"])
def test_latency_is_measured(server: RealServer, metric: Any) -> None:
    """Limits that no machine misses; what is asserted is that there are numbers, so that its tokens are counted."""
    task, prompts = Generate(max_tokens=8, filter="none"), [" ".join(words[:20]) for words in WORDS[:10]]
    measured = assert_latency_below(
        Endpoint(server.url), prompts, 600, quantile=0.9, metric=metric, task=task, arrival=Arrival(rate=5), warmup=1
    )
    assert (np.asarray(measured.example_values) > 0).all()


@pytest.mark.parametrize(
    "settings", [{"max_length": 126}, {"stride": 32, "max_length": 64}, {"add_bos": False, "max_length": 60}]
)
def test_windows_of_long_texts_have_the_perplexity_that_they_have_here(
    server: RealServer, tiny: TransformersModel, settings: dict[str, Any]
) -> None:
    served = measure(Endpoint(server.url, prefix=BOS), LONG, "perplexity", **settings)
    here = measure(tiny, LONG, "perplexity", **settings)
    np.testing.assert_allclose(served.statistics, here.statistics, rtol=1e-5)
    assert served.statistics[:, 1].min() > 128
    assert served.signature.startswith(here.signature)


def test_texts_beyond_its_context_are_read_in_its_longest_windows(server: RealServer, tiny: TransformersModel) -> None:
    """The server's context is 128, with the last token that is predicted, and one that it writes."""
    served = measure(Endpoint(server.url, prefix=BOS), [TEXTS[0], *LONG], "byte_perplexity")
    here = measure(tiny, [TEXTS[0], *LONG], "byte_perplexity", max_length=126)
    np.testing.assert_allclose(served.statistics, here.statistics, rtol=1e-5)
    assert served.signature.endswith("|longer texts:rolling-126")


def test_a_prompt_beyond_its_context_is_named(server: RealServer) -> None:
    rows = [{"text": TEXTS[0], "choices": ["a", LONG[0]], "target": 0}]
    with pytest.raises(
        MisuseError, match=r"^#0: .*is too long for the server .*its context holds 128.*; nothing is cut off"
    ):
        measure(Endpoint(server.url), rows, "acc", task=Choose("{text}"))
    with pytest.raises(MisuseError, match=r"the text ended after \d+ of 120 tokens, where the context was full"):
        Endpoint(server.url).generate(TEXTS[:1], Decoding(max_tokens=120))


def test_a_model_that_it_does_not_have_is_named(server: RealServer) -> None:
    with pytest.raises(MisuseError, match=r"did not answer /completions: HTTP 404: .*nosuch"):
        Endpoint(server.url, "nosuch").generate(TEXTS[:1], Decoding(max_tokens=1))
