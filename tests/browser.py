"""A real browser, for the tests of pages; they are marked `browser`. One Chromium is started for all of them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
QUIET = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
"""It asks nothing of any network by itself, and runs as root in a container."""


def chromium() -> str | None:
    """Where one is installed."""
    return next(filter(None, map(shutil.which, NAMES)), None)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A Chromium; ask it for a context of your own."""
    from playwright.sync_api import sync_playwright

    path = chromium()
    if path is None:
        pytest.skip("there is no Chromium: install the package `chromium` of the system, or Google Chrome")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=list(QUIET))
        yield started
        started.close()
