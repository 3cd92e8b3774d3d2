"""The page: questions and answers, and which requests get none."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from urllib.parse import quote

import pytest
from starlette.testclient import TestClient

from pytest_llm.rating.answer_file import AnswerFile
from pytest_llm.rating.app import LONGEST_BODY, make_app
from pytest_llm.rating.session import Session
from pytest_llm.rating.sheet import Item, Sheet
from tests.rating.sheets import PAIRS, SCORED, session_of

TOKEN, PORT = "a-token", 4711
HERE = f"http://127.0.0.1:{PORT}"
OURS = {"origin": HERE, "sec-fetch-site": "same-origin"}


@pytest.fixture
def file(tmp_path: Path) -> Iterator[AnswerFile]:
    with AnswerFile(tmp_path / "r.jsonl") as opened:
        yield opened


def stranger(session: Session) -> TestClient:
    """A browser that was not given the token."""
    app = make_app(session, TOKEN, PORT, ("127.0.0.1", "localhost"))
    return TestClient(app, base_url=HERE, follow_redirects=False, headers=OURS)


def visitor(session: Session) -> TestClient:
    """One that was."""
    client = stranger(session)
    client.get(f"/?token={TOKEN}")
    return client


def run_of(page: str) -> str:
    found = re.search(r'name="run" value="(.*?)"', page)
    assert found
    return found[1]


def ask(client: TestClient, position: int, rater: str = "Ann") -> str:
    response = client.get("/rate", params={"rater": rater, "n": position})
    assert response.status_code == 200
    return response.text


def say(client: TestClient, position: int, choice: str, note: str = "", rater: str = "Ann") -> str:
    """Answer a question; where it leads to."""
    fields = {"run": run_of(ask(client, position, rater)), "choice": choice, "note": note}
    response = client.post("/rate", params={"rater": rater, "n": position}, data=fields)
    assert response.status_code == 303
    return response.headers["location"]


def test_a_rater_answers_one_question_after_the_other_to_the_end(file: AnswerFile) -> None:
    client = visitor(session_of(file, SCORED))
    assert "Your name" in client.get("/").text
    assert client.post("/rater", data={"rater": "Ann"}).headers["location"] == "/rate?rater=Ann&n=1"
    leads = [say(client, position, str(position)) for position in (1, 3, 2, 4, 5)]
    assert leads == [f"/rate?rater=Ann&n={n}" for n in (2, 4, 4, 5, 6)]
    assert say(client, 6, "skip") == "/rate?rater=Ann"
    done = client.get("/rate?rater=Ann").text
    assert "5 answered, 1 skipped" in done
    assert '<a href="/rate?rater=Ann&n=6">6</a>' in done
    assert [answer.value for answer in file.answers] == [1, 3, 2, 4, 5, None]


def test_progress_and_what_was_said_before_are_shown(file: AnswerFile) -> None:
    client = visitor(session_of(file))
    say(client, 1, "second", "because of <b>")
    page = ask(client, 1)
    assert re.search(r'value="second".*?aria-pressed="true"', page, re.DOTALL)
    assert page.count('aria-pressed="true"') == 1
    assert "because of &lt;b&gt;</textarea>" in page
    assert 'aria-label="1 of 6 done"' in page
    assert "5 of 6 left" in client.get("/").text


def test_two_raters_do_not_meet(file: AnswerFile) -> None:
    session = session_of(file)
    ann, bob = visitor(session), visitor(session)
    say(ann, 1, "first")
    say(bob, 1, "tie", rater="Bob")
    assert {answer.rater: answer.value == "tie" for answer in file.answers} == {"Ann": False, "Bob": True}
    assert 'aria-pressed="true"' not in ask(bob, 2, "Bob")


def test_nothing_tells_which_candidate_is_which(file: AnswerFile) -> None:
    """Where the same texts are the other candidate's, every page is the same."""
    turned = Sheet(PAIRS.items, ("old", "new"))
    client, other = visitor(session_of(file)), visitor(session_of(file, turned))
    for position in range(1, 7):
        page, there = ask(client, position), ask(other, position)
        assert page.replace(run_of(page), "") == there.replace(run_of(there), "")
        assert not re.search(r"\b(new|old|q\d)\b", re.sub("(NEW of|OLD of|prompt) q.", "", page))


def test_what_a_model_wrote_is_shown_as_it_is_and_never_run(file: AnswerFile) -> None:
    evil = '<script>alert(1)</script>\n"><img src=x onerror=alert(2)>\n  two  spaces {{ 7 * 7 }}\u200b\ud800'
    sheet = Sheet((Item("a", evil, (evil,)),))
    page = visitor(session_of(file, sheet)).get("/rate?rater=Ann&n=1").text
    assert "<script>" not in page
    assert "<img" not in page
    assert page.count('title="U+200B ZERO WIDTH SPACE"') == 2
    (shown,) = re.findall(r'<section class="output.*?<div class="text">(.*?)</div>\s*</section>', page, re.DOTALL)
    text = unescape(re.sub("<bdi.*?</bdi>|<.*?>", "", shown))
    assert text == evil.replace("\ud800", "")


def test_a_rater_s_name_is_escaped_too(file: AnswerFile) -> None:
    client = visitor(session_of(file))
    name = "<b>A&B</b>"
    say(client, 1, "tie", rater=name)
    for page in (client.get("/").text, ask(client, 2, name), client.get(f"/rate?rater={quote(name)}").text):
        assert "&lt;b&gt;A&amp;B" in page
        assert "<b>" not in page


def test_a_page_of_before_a_restart_is_not_taken(file: AnswerFile) -> None:
    session = session_of(file)
    stale = run_of(ask(visitor(session), 1))
    response = visitor(session).post("/rate?rater=Ann&n=1", data={"run": stale, "choice": "first"})
    assert response.status_code == 409
    assert "nothing of it was saved" in response.text
    assert not list(file.answers)


@pytest.mark.parametrize(
    ("address", "fields", "status", "why"),
    [
        ("/rate?rater=Ann&n=1", {"choice": "third"}, 400, "is no answer"),
        ("/rate?rater=Ann&n=9", {"choice": "tie"}, 400, "Not saved"),
        ("/rate?rater=Ann&n=x", {"choice": "tie"}, 400, "Not saved"),
        ("/rate?rater=Ann", {"choice": "tie"}, 400, "an answer needs a question"),
        ("/rate?rater=&n=1", {"choice": "tie"}, 400, "A name has 1 to 80 characters"),
        ("/rate?rater=Ann&n=1", {"choice": "tie", "note": "x" * LONGEST_BODY}, 400, "an answer has at most"),
        ("/rater", {"rater": " "}, 400, "A name has 1 to 80 characters"),
    ],
)
def test_an_answer_that_is_none_is_refused(
    file: AnswerFile, address: str, fields: dict[str, str], status: int, why: str
) -> None:
    client = visitor(session_of(file))
    response = client.post(address, data={"run": run_of(ask(client, 1)), **fields})
    assert (response.status_code, why in response.text) == (status, True)
    assert not list(file.answers)


def test_a_disk_that_is_full_is_told_to_the_rater(file: AnswerFile, monkeypatch: pytest.MonkeyPatch) -> None:
    client = visitor(session_of(file))
    fields = {"run": run_of(ask(client, 1)), "choice": "tie"}

    def full(line: object) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(file, "append", full)
    response = client.post("/rate?rater=Ann&n=1", data=fields)
    assert response.status_code == 500
    assert "No space left on device" in response.headers["x-reason"]


@pytest.mark.parametrize("address", ["/rate?rater=Ann&n=0", "/rate?rater=Ann&n=7", "/rate?rater=Ann&n=x", "/rate"])
def test_there_is_nothing_at_other_addresses(file: AnswerFile, address: str) -> None:
    assert visitor(session_of(file)).get(address).status_code == 404


# which requests are answered


@pytest.mark.parametrize("address", ["/", "/rate?rater=Ann&n=1", "/static/rate.js", "/?token=another"])
def test_nothing_is_shown_without_the_token(file: AnswerFile, address: str) -> None:
    response = stranger(session_of(file)).get(address)
    assert response.status_code == 403
    assert "Open the address that pytest-llm rate printed" in response.text


def test_the_token_becomes_a_cookie_and_leaves_the_address(file: AnswerFile) -> None:
    client = stranger(session_of(file))
    response = client.get(f"/?token={TOKEN}")
    assert (response.status_code, response.headers["location"]) == (303, "/")
    cookie = response.headers["set-cookie"]
    assert cookie.startswith(f"pytest_llm_rate_{PORT}={TOKEN};")
    assert {"HttpOnly", "SameSite=strict", "Path=/"} <= set(cookie.split("; "))
    assert client.get("/").status_code == 200


@pytest.mark.parametrize("host", ["attacker.example", f"attacker.example:{PORT}", "127.0.0.1.attacker.example"])
def test_another_name_of_this_machine_gets_nothing(file: AnswerFile, host: str) -> None:
    """A name that an attacker lets resolve to 127.0.0.1 would make the browser take the page for theirs (DNS rebinding)."""
    assert visitor(session_of(file)).get("/", headers={"host": host}).status_code == 400


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://attacker.example", "sec-fetch-site": "cross-site"},
        {"origin": HERE, "sec-fetch-site": "cross-site"},
        {"origin": "http://127.0.0.1:8888", "sec-fetch-site": "same-site"},
        {"origin": "http://127.0.0.1:8888", "sec-fetch-site": ""},
        {"origin": "null", "sec-fetch-site": "none"},
    ],
)
def test_a_post_from_another_page_changes_nothing(file: AnswerFile, headers: dict[str, str]) -> None:
    client = visitor(session_of(file))
    fields = {"run": run_of(ask(client, 1)), "choice": "tie"}
    response = client.post("/rate?rater=Ann&n=1", data=fields, headers=headers)
    assert response.status_code == 403
    assert not list(file.answers)


def test_an_old_browser_is_known_by_its_origin(file: AnswerFile) -> None:
    client = visitor(session_of(file))
    fields = {"run": run_of(ask(client, 1)), "choice": "tie"}
    del client.headers["sec-fetch-site"]
    wrong = client.post("/rate?rater=Ann&n=1", data=fields, headers={"origin": "http://127.0.0.1:8888"})
    assert wrong.status_code == 403
    assert client.post("/rate?rater=Ann&n=1", data=fields).status_code == 303
    del client.headers["origin"]
    assert client.post("/rate?rater=Ann&n=1", data=fields).status_code == 403


@pytest.mark.parametrize("address", ["/", "/rate?rater=Ann&n=1", "/static/rate.css", "/nowhere", f"/?token={TOKEN}"])
def test_every_response_forbids_what_is_not_ours(file: AnswerFile, address: str) -> None:
    headers = visitor(session_of(file)).get(address).headers
    policy = dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["form-action"] == "'self'"
    assert policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"
    assert headers["referrer-policy"] == "same-origin"


def test_nothing_is_loaded_from_elsewhere(file: AnswerFile) -> None:
    client = visitor(session_of(file))
    pages = [
        client.get(address).text for address in ("/", "/rate?rater=Ann&n=1", "/rate?rater=Ann", "/static/rate.css")
    ]
    for page in pages:
        assert not re.search(r"https?://|//\w|url\(|style=|\son\w+=", page)
