"""Promise: what people answer on the page is kept, whatever happens to the page or the server."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_llm import assert_agreement_above, assert_preference_above
from pytest_llm.data.ratings import read_preferences
from tests.rating.sheets import IDS, write_pair, write_rows

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Error, Page

pytestmark = pytest.mark.browser
WAIT = 10_000
"""Milliseconds, of which none is used unless something is wrong."""


class Server:
    """`pytest-llm rate`, as a process of its own."""

    def __init__(self, *arguments: str | Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "pytest_llm", "rate", *map(str, arguments)], stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        self.address = next(line.split()[1] for line in self._process.stdout if line.startswith("  open"))

    def stop(self, by: signal.Signals = signal.SIGINT) -> str:
        """End it, and return what it said at last."""
        self._process.send_signal(by)
        return self._process.communicate(timeout=10)[0]


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    started: list[Server] = []

    def start(*arguments: str | Path) -> Server:
        started.append(Server(*arguments))
        return started[-1]

    yield start
    for server in started:
        server.stop(signal.SIGTERM)


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Callable[[str, str], Page]]:
    """A rater's own browser, at their first question; an error of a script on the page is one of the test."""
    contexts: list[BrowserContext] = []
    errors: list[Error] = []

    def open_as(address: str, rater: str) -> Page:
        context = browser.new_context()
        context.set_default_timeout(WAIT)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(error))
        page.goto(address)
        assert "token" not in page.url
        page.get_by_label("Your name").or_(page.get_by_label("Somebody else")).fill(rater)
        page.keyboard.press("Enter")
        page.wait_for_selector("textarea")
        return page

    yield open_as
    for context in contexts:
        context.close()
    assert errors == []


def answer(page: Page, key: str) -> None:
    """Press a key, and wait until the page shows that the answer is kept."""
    before = page.url
    page.keyboard.press(key)
    page.wait_for_url(lambda url: url != before)


def better(page: Page) -> str:
    """The key of the side that shows the new candidate's output."""
    first = page.locator(".output .text").first.inner_text()
    return "ArrowLeft" if first.startswith("NEW") else "ArrowRight"


def test_two_raters_a_reload_and_a_server_that_is_killed(
    serve: Callable[..., Server], open_page: Callable[[str, str], Page], tmp_path: Path
) -> None:
    new, old = write_pair(tmp_path)
    ratings = tmp_path / "ratings.jsonl"
    command = (new, "--against", old, "--out", ratings)
    server = serve(*command)
    ann, bob = open_page(server.address, "Ann"), open_page(server.address, "Bob")
    answer(ann, better(ann))
    answer(bob, "t")
    answer(ann, better(ann))
    # a note that is being written survives a reload; keys are letters while it is written
    ann.keyboard.press("n")
    ann.keyboard.type("ties are rare")
    ann.reload()
    assert ann.get_by_label("Note").input_value() == "ties are rare"
    answer(ann, better(ann))
    assert "n=4" in ann.url
    # back, and another answer to the third question; then the way leads on to the fourth
    ann.keyboard.press("z")
    ann.wait_for_url(lambda url: url.endswith("n=3"))
    assert ann.get_by_label("Note").input_value() == "ties are rare"
    assert ann.locator("[aria-pressed=true]").inner_text().startswith(("A is better", "B is better"))
    answer(ann, "t")
    assert "n=4" in ann.url

    server.stop(signal.SIGKILL)
    assert [len(read_preferences(ratings)), ratings.read_bytes()[-1:]] == [4, b"\n"]
    ann.keyboard.press("s")
    ann.get_by_role("alert").filter(has_text="Not saved: the server does not answer").wait_for()

    server = serve(*command)
    ann, bob = open_page(server.address, "ann"), open_page(server.address, "Bob")
    assert ("n=4" in ann.url, "n=2" in bob.url) == (True, True)
    answer(ann, "s")
    for page, count in ((ann, 2), (bob, 5)):
        for _ in range(count):
            answer(page, better(page))
        assert page.get_by_role("heading").inner_text().startswith("All done")

    said = server.stop()
    assert "Ann: 5 of 6 answered, 1 skipped\nBob: 6 of 6 answered, 0 skipped\n" in said
    assert "assert_preference_above(" in said
    # Ann: 4 wins and a tie; Bob: 5 wins and a tie
    assert assert_preference_above(ratings, "new", against="old").value == 10 / 11
    assert {p.first for p in read_preferences(ratings)} == {"new", "old"}
    assert "ties are rare" in ratings.read_text()


def test_scores_are_given_by_digits_and_keys_can_be_switched_off(
    serve: Callable[..., Server], open_page: Callable[[str, str], Page], tmp_path: Path
) -> None:
    outputs = write_rows(tmp_path / "o.jsonl", [{"id": name, "output": f"output {name}"} for name in IDS[:2]])
    ratings = tmp_path / "ratings.jsonl"
    server = serve(outputs, "--out", ratings, "--seed", "3")
    for rater in ("Ann", "Bob"):
        page = open_page(server.address, rater)
        page.get_by_label("keys").uncheck()
        page.keyboard.press("5")
        page.reload()
        assert "n=1" in page.url
        page.get_by_label("keys").check()
        for _ in IDS[:2]:
            answer(page, score_of(page))
    assert assert_agreement_above(ratings, 0.9).value == 1
    server.stop()


def score_of(page: Page) -> str:
    """One more than the number of the item that is shown: what everybody would say."""
    return str(int(page.locator(".output .text").inner_text().strip()[-1]) + 1)


def test_the_page_fits_a_telephone_and_works_without_scripts(
    serve: Callable[..., Server], browser: Browser, tmp_path: Path
) -> None:
    outputs = write_rows(
        tmp_path / "o.jsonl", [{"id": "a", "prompt": "p " * 500, "output": "x" * 500 + "\n  שלום (abc)"}]
    )
    server = serve(outputs, "--out", tmp_path / "ratings.jsonl")
    with browser.new_context(viewport={"width": 400, "height": 800}, java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(server.address)
        page.get_by_label("Your name").fill("Ann")
        page.get_by_role("button", name="Start").click()
        page.wait_for_load_state()  # its style sheet is another file
        assert page.evaluate("document.documentElement.scrollWidth") == 400
        assert page.locator(".output .text div").last.evaluate("line => getComputedStyle(line).direction") == "rtl"
        page.get_by_role("button", name="4 of 5").click()
        page.get_by_text("1 answered").first.wait_for()
    server.stop()
    assert os.path.getsize(tmp_path / "ratings.jsonl")
