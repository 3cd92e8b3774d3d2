"""What a server said is asked for once: in a session always, in the next one where people vouch for its weights."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pytest_llm import Endpoint, Generate, MetricWarning, MisuseError, measure
from pytest_llm.inference.cache import Cache
from pytest_llm.inference.memo import Memo, remembering
from tests.models.endpoint.stub_server import MODEL, Asked, Reply, StubServer, honest

ROWS = [{"text": f"the cat number {number}", "target": "x"} for number in range(40)]
TASK = Generate(max_tokens=2)


@contextmanager
def session(folder: Path) -> Iterator[Memo]:
    with remembering(lambda: Cache(lambda: folder)) as memo:
        yield memo


def asked_in(server: StubServer, folder: Path, model: Endpoint) -> int:
    """How many questions the server is asked for the rows."""
    before = len(server.questions)
    with session(folder):
        measure(model, ROWS, "exact_match", task=TASK)
    return len(server.questions) - before


def test_a_session_asks_once(server: StubServer, tmp_path: Path) -> None:
    model = Endpoint(server.url)
    with session(tmp_path) as memo:
        for _ in range(2):
            measure(model, ROWS, "exact_match", task=TASK)

    assert len(server.questions) == len(ROWS)
    assert (memo.tally.computed, memo.tally.remembered) == (40, 40)


def test_the_next_session_asks_again(server: StubServer, tmp_path: Path) -> None:
    assert asked_in(server, tmp_path, Endpoint(server.url)) == 40
    assert asked_in(server, tmp_path, Endpoint(server.url)) == 40


def test_weights_that_somebody_vouches_for_are_not_asked_again(server: StubServer, tmp_path: Path) -> None:
    hello = 1
    assert asked_in(server, tmp_path, Endpoint(f"{server.url}#{MODEL}@r1")) == 40 + hello
    assert asked_in(server, tmp_path, Endpoint(server.url, cache_as="r1")) == hello
    assert asked_in(server, tmp_path, Endpoint(server.url, cache_as="r2")) == 40 + hello
    assert asked_in(server, tmp_path, Endpoint(server.url, cache_as="r1", mode="chat")) == 40 + hello


@pytest.mark.parametrize("change", [{"system_fingerprint": "build-2"}, {"root": "other/weights"}])
def test_a_server_that_says_that_it_is_another_is_asked_again(
    server: StubServer, tmp_path: Path, change: dict[str, str]
) -> None:
    model = Endpoint(server.url, cache_as="r1")
    assert asked_in(server, tmp_path, model) == 41

    def changed(asked: Asked) -> Reply:
        reply = honest(asked)
        (reply.content if asked.body else reply.content["data"][0]).update(change)
        return reply

    server.script = changed

    assert asked_in(server, tmp_path, Endpoint(server.url, cache_as="r1")) == 41


def test_an_interrupted_run_goes_on_where_it_was(server: StubServer, tmp_path: Path) -> None:
    def broken_off(asked: Asked) -> Reply:
        return Reply({"error": "gone"}, 400) if len(server.questions) > 30 else honest(asked)

    server.script = broken_off
    long = [{"text": f"{number} " + "the cat sat on the mat. " * 40, "target": "x"} for number in range(40)]
    model = Endpoint(server.url, cache_as="r1", concurrency=2)
    with session(tmp_path), pytest.raises(MisuseError, match="HTTP 400: gone"):
        measure(model, long, "exact_match", task=TASK)
    answered, server.script = 30 - 1, honest
    before = len(server.questions)

    with session(tmp_path) as memo:
        measure(model, long, "exact_match", task=TASK)

    assert memo.tally.cached >= answered - 6, "all parts but the one that broke off"
    assert len(server.questions) - before == 40 - memo.tally.cached


def test_a_change_in_the_middle_is_said(server: StubServer) -> None:
    def rolling(asked: Asked) -> Reply:
        reply = honest(asked)
        reply.content["system_fingerprint"] = f"build-{len(server.questions) // 20}"
        return reply

    server.script = rolling

    with pytest.warns(MetricWarning, match="changed while it was asked .system_fingerprint 'build-0', now 'build-1'"):
        measure(Endpoint(server.url, concurrency=1), ROWS[:25], "exact_match", task=TASK)


def test_an_address_stays_on_the_shelf_for_the_session(server: StubServer, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        f"""
        import pytest
        from pytest_llm import assert_perplexity_below

        @pytest.mark.parametrize("number", [1, 2])
        def test_texts(number):
            assert_perplexity_below("{server.url}#{MODEL}", ["the cat sat", "one two"], 1e9)
        """
    )

    pytester.runpytest_inprocess("--llm-cache=off").assert_outcomes(passed=2)

    prompts = [asked.body["prompt"] for asked in server.questions]
    assert len(prompts) == len(set(prompts)), "neither the probe nor a text is asked twice"


def test_a_baseline_and_a_record_of_a_served_model(server: StubServer, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        from pytest_llm import assert_no_regression

        def test_texts(llm):
            assert_no_regression(llm, ["the cat sat", "one two three", "alpha beta"])
        """
    )
    model = f"--llm-model={server.url}#{MODEL}"
    pytester.runpytest_inprocess(model, "--llm-cache=off", "--llm-update-baselines")

    pytester.runpytest_inprocess(model, "--llm-cache=off", "--llm-json=run.json").assert_outcomes(passed=1)
    before = len(server.asked)
    pytester.runpytest_inprocess("--llm-rejudge=run.json").assert_outcomes(passed=1)
    assert len(server.asked) == before, "judged again, nobody is asked"

    behind_bos = pytester.runpytest_inprocess(f"{model}&prefix=%3Cs%3E", "--llm-cache=off")
    behind_bos.assert_outcomes(failed=1)
    behind_bos.stdout.fnmatch_lines(["*settings: begins:nothing was recorded, this is begins:'<s>'*"])
