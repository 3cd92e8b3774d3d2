"""Take the picture of the rating page that README shows: `python -m docs.rating`, with playwright and a Chromium installed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.sync_api import sync_playwright

from examples.outputs_to_rate import write_outputs
from tests.browser import QUIET, chromium

PICTURE = Path(__file__).with_name("rating.png")
QUESTION = 7
"""Of the rater's order: one that is not too long."""


def main() -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        king_james, world_english = write_outputs(folder)
        arguments = [str(world_english), "--against", str(king_james), "--out", str(folder / "answers.jsonl")]
        arguments += ["--question", "Which translation is better?"]
        command = [sys.executable, "-m", "pytest_llm", "rate", *arguments]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
            assert server.stdout is not None
            take(next(line.split()[1] for line in server.stdout if line.startswith("  open")))
            server.terminate()


def take(address: str) -> None:
    """Answer a few questions, and take a picture of the next one."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=list(QUIET))
        page = browser.new_page(viewport={"width": 1280, "height": 460})
        page.goto(address)
        page.get_by_label("Your name").fill("Ada")
        page.keyboard.press("Enter")
        for number in range(1, QUESTION + 1):
            page.wait_for_url(f"**n={number}")
            if number < QUESTION:
                page.keyboard.press("ArrowLeft")
        page.keyboard.press("n")
        page.keyboard.type("B keeps the order of words, A reads better")
        page.keyboard.press("Escape")
        page.screenshot(path=PICTURE)
        browser.close()


if __name__ == "__main__":
    main()
