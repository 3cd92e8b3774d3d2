"""The key goes to the server and nowhere else."""

from __future__ import annotations

import json
import logging
import pickle
import re
from pathlib import Path

import pytest

from pytest_llm import Decoding, Endpoint, MisuseError
from pytest_llm.models.endpoint.address import read_address
from pytest_llm.models.endpoint.key import Key, key_for
from tests.models.endpoint.stub_server import MODEL, Asked, Reply, StubServer, honest

SECRET = "sk-live-0123456789abcdefghij"
GREEDY = Decoding(max_tokens=2)


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)


def test_the_key_is_sent(server: StubServer) -> None:
    Endpoint(server.url).generate(["a"], GREEDY)

    assert {asked.headers["Authorization"] for asked in server.asked} == {f"Bearer {SECRET}"}


def test_another_variable_can_be_named(server: StubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTHER_KEY", "other-key-123")

    Endpoint(f"{server.url}#{MODEL}&key_from=OTHER_KEY").generate(["a"], GREEDY)

    assert server.questions[0].headers["Authorization"] == "Bearer other-key-123"


def test_a_model_knows_no_key(server: StubServer) -> None:
    model = Endpoint(server.url)
    model.generate(["a"], GREEDY)

    told = [
        repr(model),
        repr(vars(model)),
        repr(vars(model._server)),
        repr(vars(model._server.client)),
        str(model.provenance),
    ]
    told += [repr(model.fingerprint()), repr(model.identity())]

    assert SECRET not in " ".join(told)
    assert SECRET.encode() not in pickle.dumps(model)


def test_a_key_is_not_written(server: StubServer) -> None:
    with pytest.raises(TypeError, match="not written"):
        pickle.dumps(Key(SECRET))


ECHOES = {
    "in an error": lambda asked: Reply({"error": {"message": f"wrong key {SECRET} given"}}, 401),
    "in a part of an error": lambda asked: Reply({"error": f"bad {SECRET[:-3]}***"}, 401),
    "in an error with spaces": lambda asked: Reply({"error": " ".join(SECRET)}, 401),
    "in headers that are named in an error": lambda asked: Reply({"detail": dict(asked.headers)}, 400),
    "in a text": lambda asked: Reply(re.sub(" (alpha|beta|gamma)", SECRET, json.dumps(honest(asked).content)).encode()),
    "in the model's name": lambda asked: Reply({**honest(asked).content, "model": SECRET}),
    "in the kind of content": lambda asked: Reply(b"{}", headers={"Content-Type": f"text/{SECRET}"}),
    "in what is no JSON": lambda asked: Reply(f'{{"a": "{SECRET}'.encode()),
    "where it redirects": lambda asked: Reply({}, 307, {"Location": f"http://x.test/{SECRET}"}),
    "in a name that stands twice": lambda asked: Reply(f'{{"{SECRET}": 1, "{SECRET}": 2}}'.encode()),
}


@pytest.mark.parametrize("where", ECHOES)
def test_a_server_that_repeats_the_key_does_not_get_it_into_an_error(
    server: StubServer, caplog: pytest.LogCaptureFixture, where: str
) -> None:
    caplog.set_level(logging.DEBUG)
    server.script = lambda asked: ECHOES[where](asked) if asked.body else honest(asked)
    for ask in (
        lambda: Endpoint(server.url, retries=0).generate(["a"], GREEDY),
        lambda: Endpoint(server.url, retries=0).score(["a b"]),
    ):
        with pytest.raises(MisuseError) as raised:
            ask()
        trace = str(raised.getrepr(showlocals=True, style="long"))
        told = re.sub(r"\s", "", f"{raised.value}{trace}{caplog.text}")
        # what this file says of the key is no leak
        assert SECRET not in told.replace(f"SECRET={SECRET!r}", "")
        assert SECRET[:-4] not in str(raised.value)


def test_headers_stay_out_of_the_log(server: StubServer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    server.script = lambda asked: Reply(
        honest(asked).content, headers={"Content-Type": "application/json", "X-Echo": SECRET}
    )

    Endpoint(server.url).generate(["a"], GREEDY)

    assert SECRET not in caplog.text


@pytest.mark.parametrize(
    "url",
    [
        f"http://user:{SECRET}@127.0.0.1:1/v1",
        f"http://{SECRET}@127.0.0.1:1/v1#name",
        f"https://api.test/v1?api_key={SECRET}",
        f"http://127.0.0.1:{SECRET}/v1",
        f"http://[{SECRET}/v1",
    ],
)
def test_a_key_in_an_address_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(MisuseError) as raised:
        Endpoint(url)

    assert SECRET not in str(raised.value)


def test_the_key_of_the_environment_in_an_address_is_found(server: StubServer) -> None:
    with pytest.raises(MisuseError, match="the address of the server has the key of OPENAI_API_KEY in it") as raised:
        Endpoint(f"{server.url}#{SECRET}").generate(["a"], GREEDY)

    assert SECRET not in str(raised.value)
    assert not server.asked


def test_a_key_is_not_sent_in_the_clear() -> None:
    far = read_address("http://gpu.test:8000/v1")

    assert not key_for(far, None), "the usual key is kept back"
    with pytest.raises(MisuseError, match=r"the key in OPENAI_API_KEY would go to gpu.test:8000 unencrypted"):
        key_for(far, "OPENAI_API_KEY")
    assert key_for(read_address("https://gpu.test/v1"), None)
    assert key_for(read_address("http://localhost:1/v1"), None)
    assert key_for(read_address("http://[::1]:1/v1"), None)


@pytest.mark.parametrize("value", ["", "two words", "line\nbreak", "schlüssel"])
def test_what_no_header_can_have_is_no_key(value: str) -> None:
    with pytest.raises(MisuseError) as raised:
        key_for(read_address("https://a.test/v1"), "NAME", {"NAME": value})

    assert not value or value not in str(raised.value)


def test_no_report_has_the_key(server: StubServer, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    pytester.makepyfile(
        """
        from pytest_llm import Generate, assert_exact_match_above, assert_no_regression

        def test_texts(llm):
            assert_exact_match_above(llm, [{"text": "a b", "target": "x"}], 0.5, task=Generate(max_tokens=2))

        def test_baseline(llm):
            assert_no_regression(llm, ["the cat sat", "one two"])
        """
    )

    def script(asked: Asked) -> Reply:
        reply = honest(asked)
        reply.headers["X-Echo"] = str(asked.headers.get("Authorization"))
        return reply

    server.script = script
    result = pytester.runpytest_inprocess(
        f"--llm-model={server.url}#{MODEL}@v1",
        "--llm-json=run.json",
        "--llm-html=run.html",
        "--llm-history=runs",
        "--junitxml=junit.xml",
        "--llm-cache=kept",
        "--llm-update-baselines",
        "--showlocals",
        "--log-level=DEBUG",
        "-vv",
    )

    result.assert_outcomes(passed=1, failed=1)
    assert f"{MODEL}@v1 at 127.0.0.1:{server.port}" in result.stdout.str()
    assert SECRET not in result.stdout.str() + result.stderr.str()
    files = [path for path in Path(pytester.path).rglob("*") if path.is_file()]
    assert {"run.json", "run.html", "junit.xml"} < {path.name for path in files}
    assert [path for path in files if SECRET.encode() in path.read_bytes()] == []
