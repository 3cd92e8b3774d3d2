"""Take the picture of the page that README shows: `python -m docs.report`, with playwright and a Chromium installed.

The page is that of `EXAMPLES` on the shipped model, the gate that shows most is opened.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.sync_api import sync_playwright

from tests.browser import QUIET, chromium

PICTURE = Path(__file__).with_name("report.png")
EXAMPLES = ("test_quickstart.py", "test_human_ratings.py", "test_transcription.py", "test_against_baseline.py")
OPENED = "test_a_regression"


def main() -> None:
    with TemporaryDirectory() as folder:
        page = Path(folder) / "quality.html"
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--llm-device", "cpu"]
        examples = Path(__file__).parent.parent / "examples"
        done = subprocess.run([*command, "--llm-html", str(page), *EXAMPLES], cwd=examples, check=False)
        assert done.returncode == 1, "some of the examples fail on purpose"
        take(page)


def take(page: Path) -> None:
    """The top of the page, with one gate opened."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=list(QUIET))
        shown = browser.new_page(viewport={"width": 1280, "height": 940})
        shown.goto(page.as_uri())
        gate = shown.locator("#table > tbody", has_text=OPENED)
        gate.locator("summary").click()
        shown.evaluate("document.activeElement.blur()")
        shown.evaluate("scrollTo(0, 0)")
        shown.screenshot(path=PICTURE)
        browser.close()


if __name__ == "__main__":
    main()
