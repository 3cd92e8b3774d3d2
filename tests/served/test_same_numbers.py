"""One test file, unchanged, on a model that is loaded and on the same model behind a server: the same verdicts and numbers."""

from __future__ import annotations

import json
from threading import Thread
from typing import Any

import numpy as np
import pytest

from pytest_llm import Arrival, Decoding, Endpoint, Generate, assert_latency_below, embedded, load_examples, measure
from pytest_llm.inference.probe import time_requests
from pytest_llm.models.transformers_model import TransformersModel
from pytest_llm.tasks.timed import Timed
from tests.served.echo_server import NAME, Served

OPENINGS = [" ".join(example.text.split()[:30]) for example in load_examples(embedded("data/held_out.jsonl"))][:12]
CHAPTER = " ".join(load_examples(embedded("data/held_out.jsonl"))[0].text.split()[:90])
CHAPTERS = [CHAPTER, "Café – naïve résumé, 10 °C: 你好\n\n " * 6]
BOS = "<|endoftext|>"
FILE = f"""
    from pytest_llm import Generate, assert_chrf_above, assert_perplexity_below

    TEXTS = {OPENINGS[:6]!r}
    ROWS = [dict(text=text, target="to be sure of it all") for text in TEXTS]

    def test_it_reads(llm):
        assert_perplexity_below(llm, TEXTS, 500)

    def test_it_reads_well(llm):
        assert_perplexity_below(llm, TEXTS, 20)

    def test_it_reads_long_texts(llm):
        assert_perplexity_below(llm, {CHAPTERS!r}, 20, stride=32, max_length=96)

    def test_it_writes(llm):
        assert_chrf_above(llm, ROWS, 90, task=Generate(max_tokens=6, filter="none"))
"""


def test_verdicts_and_values_of_examples_are_those_of_the_loaded_model(
    pytester: pytest.Pytester, echo_server: Served
) -> None:
    pytester.makepyfile(FILE)
    local = _run(pytester, "tiny-decoder")
    with Served(echo_server.model, context=128) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        served = _run(pytester, f"{server.url}#{NAME}&prefix=%3C%7Cendoftext%7C%3E")
        server.shutdown()

    outcomes = ["passed", "failed", "failed", "failed"]
    assert [one["outcome"] for one in local] == [one["outcome"] for one in served] == outcomes
    for here, there in zip(local, served, strict=True):
        assert here["ids"] == there["ids"]
        np.testing.assert_allclose(there["statistics"], here["statistics"], rtol=2e-5)
    assert [len(one["ids"]) for one in local] == [6, 6, 2, 6]


def _run(pytester: pytest.Pytester, model: str) -> list[dict[str, Any]]:
    """Of each test how it ended, and what was counted of each example."""
    arguments = ("-p", "no:cacheprovider", "--llm-device=cpu", f"--llm-model={model}", "--llm-json=record.json")
    pytester.runpytest_inprocess(*arguments).assert_outcomes(passed=1, failed=3)
    record = json.loads((pytester.path / "record.json").read_text(encoding="utf-8"))
    found = []
    for test in record["tests"]:
        (measured,) = test["measurements"]
        found.append({"outcome": test["outcome"], "ids": measured["ids"], "statistics": measured["statistics"]})
    return found


def test_long_texts_have_the_values_of_the_loaded_model(tiny: TransformersModel, echo_server: Served) -> None:
    with Served(echo_server.model, context=64) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        served = measure(Endpoint(server.url, prefix=BOS), [OPENINGS[0], *CHAPTERS], "byte_perplexity")
        bare = measure(Endpoint(server.url), CHAPTERS, "perplexity")
        server.shutdown()

    local = measure(tiny, [OPENINGS[0], *CHAPTERS], "byte_perplexity", max_length=62)
    np.testing.assert_allclose(served.statistics, local.statistics, rtol=2e-5)
    local = measure(tiny, CHAPTERS, "perplexity", max_length=62, add_bos=False)
    np.testing.assert_allclose(bare.statistics, local.statistics, rtol=2e-5)
    assert served.signature.endswith("|longer texts:rolling-62")


def test_greedy_texts_are_those_of_the_loaded_model(tiny: TransformersModel, echo_server: Served) -> None:
    decoding = Decoding(max_tokens=12)
    assert Endpoint(echo_server.url).generate(OPENINGS[:5], decoding) == list(tiny.generate(OPENINGS[:5], decoding))


def test_tokens_of_a_stream_are_counted_where_pieces_are_not_tokens(
    tiny: TransformersModel, echo_server: Served
) -> None:
    """Two tokens a piece: 16 tokens are 8 pieces, and the time per token is that of 15 gaps."""
    served = Endpoint(echo_server.url)
    (text,) = tiny.generate(OPENINGS[:1], Decoding(max_tokens=16))
    pieces = list(served.stream(OPENINGS[0], Decoding(max_tokens=16)))
    assert "".join(pieces) == text
    assert len(pieces) <= 8

    task = Timed(Generate(max_tokens=16, filter="none"), tokens=True, warmup=0, rounds=1)
    (times,) = time_requests(served, load_examples(OPENINGS[:1]), task)
    assert times.tokens.tolist() == [16]
    assert times.per_token == pytest.approx((times.whole - times.first) / 15)


@pytest.mark.parametrize("metric", ["time_to_first_token", "time_per_output_token"])
def test_latency_under_load_is_measured_over_the_network(echo_server: Served, metric: Any) -> None:
    """Limits that no machine misses; what is asserted is that the numbers are there, and whose they are."""
    measured = assert_latency_below(
        Endpoint(echo_server.url),
        OPENINGS,
        600,
        quantile=0.9,
        metric=metric,
        task=Generate(max_tokens=3, filter="none"),
        arrival=Arrival(rate=40),
        warmup=1,
    )
    assert (np.asarray(measured.example_values) > 0).all()
    assert "sent 40 requests a second (Poisson, seed 0), up to " in measured.overview
    assert "arrival:40/s poisson seed 0, 64 at once" in measured.signature
