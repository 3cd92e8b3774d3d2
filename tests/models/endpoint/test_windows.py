"""A text that a server's context does not hold, and windows that are asked for, are read in the windows of a loaded model."""

from __future__ import annotations

import json
import math
import pickle
from pathlib import Path
from typing import Any

import pytest

from pytest_llm import Endpoint, MisuseError, measure, stream
from pytest_llm.inference.cache import Cache
from pytest_llm.inference.memo import remembering
from pytest_llm.inference.windows import rolling_windows, strided_windows
from pytest_llm.metrics.language_modeling import Perplexity
from tests.models.endpoint.stub_server import BOS, Asked, Reply, StubServer
from tests.models.endpoint.token_server import CONTEXT, LONG, SHORT, TokenServer, last, of_window, of_windows


def scored(model: Endpoint, texts: list[str], **settings: object) -> list[list[float]]:
    """What is measured of each text."""
    measured = measure(model, texts, Perplexity(**settings))  # type: ignore[arg-type]
    return [list(row) for row in measured.statistics]


def nll(scores: list[float]) -> list[Any]:
    return [pytest.approx(-math.fsum(scores)), len(scores)]


@pytest.mark.parametrize(("prefix", "puts"), [(BOS, ""), ("", BOS), ("", "")])
def test_a_long_text_is_read_in_rolling_windows(
    server: StubServer, script: TokenServer, prefix: str, puts: str
) -> None:
    script.puts = puts
    sequence = script.tokens(puts + prefix + LONG)
    windows = rolling_windows(sequence, CONTEXT - 2)

    measured = measure(Endpoint(server.url, prefix=prefix), [SHORT, LONG], "perplexity")

    assert len(windows) == 3
    whole = script.scores(script.tokens(puts + prefix + SHORT))
    assert [list(row) for row in measured.statistics] == [nll(whole), nll(of_windows(script, windows))]
    asked = [one.body["prompt"] for one in server.questions if of_window(one)]
    assert all(list(window.tokens) in asked for window in windows)
    assert max(map(len, asked)) == CONTEXT - 1


@pytest.mark.parametrize("add_bos", [True, False])
def test_windows_that_are_asked_for_are_those_of_a_loaded_model(
    server: StubServer, script: TokenServer, add_bos: bool
) -> None:
    sequence = script.tokens(BOS * add_bos + LONG)
    model = Endpoint(server.url, prefix=BOS)

    rolling = scored(model, [LONG], max_length=12, add_bos=add_bos)
    strided = scored(model, [LONG], stride=5, max_length=12, add_bos=add_bos)

    assert rolling == [nll(of_windows(script, rolling_windows(sequence, 12)))]
    assert strided == [nll(of_windows(script, strided_windows(sequence, 12, 5)))]
    assert rolling != strided


def test_signatures_say_what_windows_there_were(server: StubServer, script: TokenServer) -> None:
    model = Endpoint(server.url, prefix=BOS)
    short, both, asked = (
        measure(model, texts, Perplexity(max_length=length)).signature
        for texts, length in (([SHORT], None), ([LONG, SHORT], None), ([SHORT], 12))
    )

    begins = f"begins:{BOS!r}|first token:scored"
    assert short == f"perplexity|bos:model's own|windows:model's own|log-softmax:float32|{begins}|asked:prompt_logprobs"
    assert both == f"{short}|longer texts:rolling-30"
    assert asked == f"perplexity|bos:yes|windows:rolling-12|log-softmax:float32|{begins}|asked:token ids"


def test_short_texts_are_asked_about_as_ever(server: StubServer, script: TokenServer) -> None:
    measure(Endpoint(server.url, prefix=BOS), [SHORT, "a dog"], "perplexity")

    assert {one.path for one in server.questions} == {"/v1/completions"}
    assert not any(map(of_window, server.questions))


def test_a_text_of_many_bytes_and_few_tokens_is_read_whole(server: StubServer, script: TokenServer) -> None:
    text = "incomprehensibilities everywhere"
    assert scored(Endpoint(server.url, prefix=BOS), [text]) == [nll(script.scores(script.tokens(BOS + text)))]
    assert BOS + text in [one.body["prompt"] for one in server.questions if one.path == "/v1/completions"]


def test_all_windows_are_counted(server: StubServer, script: TokenServer) -> None:
    model = Endpoint(server.url, prefix=BOS)
    measure(model, ["a b " * 20], "perplexity")  # what it can is found out
    before = model.usage
    measure(model, [LONG], "perplexity")

    tokens = script.tokens(BOS + LONG)
    windows = rolling_windows(tokens, CONTEXT - 2)
    assert model.usage.requests - before.requests == 1 + len(windows)
    assert model.usage.prompt_tokens - before.prompt_tokens == sum(len(window.tokens) for window in windows)
    assert model.usage.uncounted == before.uncounted


def test_it_is_the_same_in_another_process(server: StubServer, script: TokenServer) -> None:
    model = Endpoint(server.url, prefix=BOS)
    expected = scored(model, [LONG])
    assert scored(pickle.loads(pickle.dumps(model)), [LONG]) == expected


def test_windows_longer_than_the_context_are_refused(server: StubServer, script: TokenServer) -> None:
    with pytest.raises(
        MisuseError, match=r"max_length=31 exceeds the 30 tokens of a window on .*: its context holds 32"
    ):
        measure(Endpoint(server.url, prefix=BOS), [SHORT], "perplexity", max_length=31)


def test_nothing_in_front_is_no_beginning(server: StubServer, script: TokenServer) -> None:
    with pytest.raises(MisuseError, match=r"puts nothing in front of a text, .*give prefix=.* or use add_bos=False"):
        measure(Endpoint(server.url), [SHORT], "perplexity", max_length=12)
    with pytest.raises(MisuseError, match="is a single token, which has nothing before it"):
        measure(Endpoint(server.url), ["the"], Perplexity(max_length=12, add_bos=False))


def test_a_stream_of_texts_is_read_in_windows_too(server: StubServer, script: TokenServer, tmp_path: Path) -> None:
    model, path = Endpoint(server.url, prefix=BOS), tmp_path / "texts.jsonl"
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in (SHORT, LONG)), encoding="utf-8")
    whole, streamed = measure(model, [SHORT, LONG], "perplexity"), measure(model, stream(path), "perplexity")
    assert streamed.statistics.tolist() == whole.statistics.tolist()
    assert streamed.signature == whole.signature


def test_what_is_kept_on_disk_has_its_windows_in_the_signature(
    server: StubServer, script: TokenServer, tmp_path: Path
) -> None:
    first, second = (kept(Endpoint(server.url, prefix=BOS, cache_as="r1"), tmp_path) for _ in range(2))
    asked = len([one for one in server.questions if of_window(one)])
    script.context = script.told = 40
    third = kept(Endpoint(server.url, prefix=BOS, cache_as="r1"), tmp_path)

    assert first == second
    assert third[0].endswith("|longer texts:rolling-38")
    assert third[1] != first[1]
    assert asked == 2 + 3  # two to find out, one text of three windows


def kept(model: Endpoint, folder: Path) -> tuple[str, list[Any]]:
    with remembering(lambda: Cache(lambda: folder)):
        measured = measure(model, [LONG], "perplexity")
    return measured.signature, measured.statistics.tolist()


def test_a_window_that_fails_is_asked_for_again(server: StubServer, script: TokenServer, waited: list[float]) -> None:
    failed: list[int] = []

    def spoil(asked: Asked, reply: Reply) -> Reply | None:
        if last(asked) and len(failed) < 2:
            failed.append(asked.number)
            return Reply({"error": {"message": "busy"}}, 503)
        return None

    script.spoil = spoil
    model = Endpoint(server.url, prefix=BOS)
    sequence = script.tokens(BOS + LONG)
    assert scored(model, [LONG]) == [nll(of_windows(script, rolling_windows(sequence, CONTEXT - 2)))]
    assert (len(failed), len(waited), model.usage.retries) == (2, 2, 2)
