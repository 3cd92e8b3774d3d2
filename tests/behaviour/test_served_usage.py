"""Promise: the end of a session says what was asked of served models, and how many tokens the server counted."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest

from pytest_llm.records.run_record import read_record
from pytest_llm.session.results import ASKED
from pytest_llm.usage import Usage, taken
from tests.models.endpoint.stub_server import Asked, Reply, StubServer, completion, honest, serving, words

KEY = "sk-secret-0123456789"
SUITE = """
    import pytest
    from pytest_llm import Decoding, Endpoint, assert_perplexity_below

    @pytest.fixture(scope="session")
    def llm():
        return Endpoint({url!r}, prefix="<s>")

    @pytest.fixture
    def opening(llm):
        return llm.generate(["the cat"], Decoding(max_tokens=3))[0]

    def test_it_reads(llm):
        assert_perplexity_below(llm, ["the cat sat", "one two"], 1e9)

    def test_it_goes_on(opening, llm):
        assert llm.generate([opening], Decoding(max_tokens=2))
"""
SAID = "*served words-1 at 127.0.0.1:*: "


@pytest.fixture(autouse=True)
def _nothing_asked_before() -> None:
    taken()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[StubServer]:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with serving() as stub:
        yield stub


def suite(pytester: pytest.Pytester, server: StubServer, *arguments: str) -> pytest.RunResult:
    pytester.makepyfile(SUITE.format(url=server.url))
    return pytester.runpytest_inprocess("-p", "no:cacheprovider", *arguments)


def test_a_line_says_it(pytester: pytest.Pytester, server: StubServer) -> None:
    """Of reading: four requests, two of which try the server out; of writing: two, one of them in a fixture."""
    result = suite(pytester, server, "-q")

    result.assert_outcomes(passed=2)
    read = sum(len(words(asked.body["prompt"])) for asked in server.questions)
    assert len(server.questions) == 6
    result.stdout.fnmatch_lines(
        [f"{SAID}6 requests, {read} prompt and 9 completion tokens as the server counted them", "2 passed*"]
    )


def test_nothing_is_said_where_nobody_wants_to_hear(pytester: pytest.Pytester, server: StubServer) -> None:
    suite(pytester, server, "-qq").stdout.no_fnmatch_line("*served*")


def test_a_suite_without_gates_is_told_too(pytester: pytest.Pytester, server: StubServer) -> None:
    result = suite(pytester, server, "-k", "goes_on")

    result.stdout.fnmatch_lines([f"{SAID}2 requests, 5 prompt and 5 completion tokens as the server counted them"])


@pytest.mark.slow
def test_workers_of_xdist_are_summed(pytester: pytest.Pytester, server: StubServer) -> None:
    result = suite(pytester, server, "-n2", "--dist=each", "-k", "goes_on")

    result.stdout.fnmatch_lines([f"{SAID}4 requests, 10 prompt and 10 completion tokens as the server counted them"])


def test_it_goes_where_xdist_takes_reports(pytester: pytest.Pytester, server: StubServer) -> None:
    """As JSON, from a worker to the process with the terminal."""
    pytester.makepyfile(SUITE.format(url=server.url))
    heard: list[object] = []

    class Taken:
        def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
            heard.append(pytest.TestReport._from_json(json.loads(json.dumps(report._to_json()))))

    pytester.inline_run("-p", "no:cacheprovider", "-k", "goes_on", plugins=[Taken()])

    assert [sum(counts[0] for counts in getattr(report, ASKED, {}).values()) for report in heard] == [1, 1, 0]


def test_what_is_known_is_not_asked(pytester: pytest.Pytester, server: StubServer) -> None:
    pytester.makepyfile(
        SUITE.format(url=server.url)
        + """
    def test_again(llm):
        assert_perplexity_below(llm, ["the cat sat", "one two"], 1e8)
    """
    )
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider", "-k", "reads or again")

    result.stdout.fnmatch_lines([f"{SAID}4 requests*counted them; 2 answers were known and not asked for"])


def test_what_failed_and_what_nobody_counted_is_told(pytester: pytest.Pytester, server: StubServer) -> None:
    """The first question fails once; its answer then has no count, which is an error, and is paid for."""
    failed: list[Asked] = []

    def script(asked: Asked) -> Reply:
        if not asked.body:
            return honest(asked)
        failed.append(asked)
        answer = completion(asked.body)
        del answer["usage"]
        return Reply({}, 503, {"Retry-After": "0"}) if len(failed) == 1 else Reply(answer)

    server.script = script
    result = suite(pytester, server, "-k", "goes_on")

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([f"{SAID}1 request (1 retried); of 1 answer it counted no tokens"])


def test_records_say_it_of_each_test(pytester: pytest.Pytester, server: StubServer) -> None:
    written = ("--llm-json=run.json", "--llm-html=page.html", "--llm-markdown=summary.md", "--junitxml=junit.xml")
    suite(pytester, server, *written, "-o", "junit_family=xunit1")

    where = f"words-1 at 127.0.0.1:{server.port}"
    reads, goes_on = read_record(Path("run.json")).tests
    assert (reads.usage[where].requests, goes_on.usage) == (4, {where: Usage(2, 0, 5, 5)})
    served = json.loads(Path("run.json").read_text())["tests"][1]["served"]
    assert served[where]["prompt_tokens"] == 5
    told = [
        part.get("value", "")
        for part in ElementTree.parse("junit.xml").iter("property")
        if part.get("name") == "llm_served"
    ]
    assert [words.split(": ")[1].split(" ")[0] for words in told] == ["4", "2"]
    assert told[1] == f"served {where}: 2 requests, 5 prompt and 5 completion tokens as the server counted them"
    assert f'<p class="legend">served {where}: 6 requests, ' in Path("page.html").read_text()
    assert f"\nserved words\\-1 at 127.0.0.1:{server.port}: 6 requests, " in Path("summary.md").read_text()
    assert not [path for path in pytester.path.glob("*.*") if KEY in path.read_text()]
