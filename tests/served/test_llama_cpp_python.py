"""llama-cpp-python's server with the GGUF file of SmolLM2, held against the same file read by transformers.

The first token of a text is left out on both sides: this server gives it no probability. Then, by token, in nats, measured on
178 tokens (weights in float32) and 782 tokens (Q4_1) of the shipped texts:

    weights     mean difference    standard deviation    largest    perplexity differs by
    float32            −0.0002                0.0014      0.007                  0.017 %
    Q4_1               −0.013                 0.093       0.40                   1.4 %

So the way of asking is exact, up to the cache of keys and values, which llama.cpp keeps in float16. With Q4_1 llama.cpp multiplies
weights of four bits by activations that it rounds to eight bits (Q8_1), where transformers multiplies the weights, dequantised,
by float32. That is another model, by 1 %, and a gate sees it.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from pytest_llm import Decoding, Endpoint, MisuseError, embedded, load_examples, measure
from pytest_llm.models.language_model import Window
from pytest_llm.models.sources import smollm2_file
from pytest_llm.models.transformers_model import TransformersModel
from pytest_llm.statistics.jackknife import FloatArray
from tests.served.real_servers import RealServer, llama_cpp_python, running

pytestmark = [pytest.mark.server, pytest.mark.slow, pytest.mark.smollm2]
BOS = "<|im_start|>"
TEXTS = [" ".join(example.text.split()[:20]) for example in load_examples(embedded("data/held_out.jsonl"))[:3]]


@pytest.fixture(scope="module")
def float_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealServer]:
    """The same weights, which the file stands for, in float32: 540 MB."""
    from tests.served.float_gguf import write_in_float32

    folder = tmp_path_factory.mktemp("float32")
    write_in_float32(smollm2_file(), folder / "smollm2.gguf")
    with running(llama_cpp_python(folder / "smollm2.gguf", folder)) as server:
        yield server
    (folder / "smollm2.gguf").unlink(missing_ok=True)


def differences(served: Endpoint, local: TransformersModel) -> tuple[FloatArray, float]:
    """Of each token but the first ones, in nats; and by what share the served perplexity is higher."""
    assert local.prefix_token is not None
    tokens = local.encode(TEXTS)
    here = [
        np.asarray(scores)[1:]
        for scores in local.score_windows([Window((local.prefix_token, *own), len(own)) for own in tokens])
    ]
    there = [np.asarray(scores) for scores in served.score(TEXTS)]
    assert [len(scores) for scores in there] == [len(scores) for scores in here]
    found = np.concatenate(there) - np.concatenate(here)
    return found, float(np.expm1(-found.mean()))


def test_with_the_same_arithmetic_the_numbers_are_the_same(
    float_server: RealServer, smollm2: TransformersModel
) -> None:
    found, higher = differences(Endpoint(float_server.url, prefix=BOS, concurrency=1), smollm2)
    assert np.abs(found).max() < 0.02
    assert abs(higher) < 1e-3


def test_with_four_bits_they_are_the_same_but_for_the_rounding_of_the_kernels(
    llama_server: RealServer, smollm2: TransformersModel
) -> None:
    found, higher = differences(Endpoint(llama_server.url, prefix=BOS, concurrency=1), smollm2)
    assert 0.01 < found.std() < 0.2
    assert abs(higher) < 0.05


def test_without_a_bos_token_its_numbers_are_refused(llama_server: RealServer) -> None:
    """Each token would get the log-probability of having come already: −12.8 for " truth" in "It was a truth"."""
    with pytest.raises(MisuseError, match=r"that can be trusted; some servers need prefix="):
        Endpoint(llama_server.url).score(TEXTS[:1])


def test_it_writes_what_transformers_writes_with_the_same_arithmetic(
    float_server: RealServer, smollm2: TransformersModel
) -> None:
    decoding = Decoding(max_tokens=12)
    served = Endpoint(float_server.url)
    assert served.generate(TEXTS, decoding) == list(smollm2.generate(TEXTS, decoding))
    assert "".join(served.stream(TEXTS[0], decoding)) == smollm2.generate(TEXTS[:1], decoding)[0]


def test_a_text_beyond_its_context_is_named(llama_server: RealServer) -> None:
    text = " ".join(example.text for example in load_examples(embedded("data/held_out.jsonl")))
    with pytest.raises(
        MisuseError, match=r"^#1: .*: [\d,]+ tokens and 1 to write, its context holds 2,048 \([\d,]+ too many\)"
    ):
        measure(Endpoint(llama_server.url, prefix=BOS, concurrency=1), [TEXTS[0], text], "perplexity")
