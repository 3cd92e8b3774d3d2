"""`transformers serve`: the texts of the loaded model, streams, chats; and no log-probabilities of prompts, which is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_llm import Decoding, Endpoint, MisuseError, assert_perplexity_below, embedded, load_examples
from pytest_llm.models.transformers_model import TransformersModel
from tests.served.real_servers import RealServer

pytestmark = pytest.mark.server
OPENINGS = [" ".join(example.text.split()[:20]) for example in load_examples(embedded("data/held_out.jsonl"))][:3]
TEXTS = [*OPENINGS, "Café – naïve résumé, 10 °C: 你好"]


def test_it_writes_what_the_loaded_model_writes(serve: RealServer, checkpoint: Path, tiny: TransformersModel) -> None:
    decoding = Decoding(max_tokens=16)
    here = list(tiny.generate(TEXTS, decoding))
    served = Endpoint(serve.url)
    assert served.name == str(checkpoint)
    assert served.generate(TEXTS, decoding) == here
    assert Endpoint(serve.url, mode="chat").generate(TEXTS, decoding) == here
    assert served.usage.completion_tokens == 16 * len(TEXTS)


def test_stop_strings_are_cut_off_which_it_leaves_in(serve: RealServer, tiny: TransformersModel) -> None:
    decoding = Decoding(max_tokens=24, stop=(",", "."))
    assert Endpoint(serve.url).generate(TEXTS, decoding) == list(tiny.generate(TEXTS, decoding))


@pytest.mark.parametrize("mode", ["completions", "chat"])
def test_a_stream_is_the_whole_text_with_its_tokens_counted(
    serve: RealServer, tiny: TransformersModel, mode: str
) -> None:
    decoding = Decoding(max_tokens=12)
    served = Endpoint(serve.url, mode=mode)  # type: ignore[arg-type]
    for text, whole in zip(TEXTS, tiny.generate(TEXTS, decoding), strict=True):
        pieces, count = [], None
        stream = served.stream(text, decoding)
        while True:
            try:
                pieces.append(next(stream))
            except StopIteration as end:
                count = end.value
                break
        assert "".join(pieces).rstrip("\ufffd") == whole.rstrip("\ufffd")
        assert count == 12


def test_it_cannot_say_how_probable_a_text_is(serve: RealServer) -> None:
    with pytest.raises(MisuseError, match=r"can be trusted(.|\n)*echo: it does not repeat the prompt, although echo"):
        assert_perplexity_below(Endpoint(serve.url), TEXTS, 100)
