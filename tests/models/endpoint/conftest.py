"""A server that can be told what to answer, and nobody's key."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pytest_llm.models.endpoint import client
from tests.models.endpoint.stub_server import StubServer, serving
from tests.models.endpoint.token_server import TokenServer


@pytest.fixture(autouse=True)
def _no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


@pytest.fixture(autouse=True)
def waited(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that a client would have waited between tries; nothing waits here."""
    seconds: list[float] = []

    async def noted(time: float) -> None:
        seconds.append(time)

    monkeypatch.setattr(client, "pause", noted)
    return seconds


@pytest.fixture
def server() -> Iterator[StubServer]:
    with serving() as stub:
        yield stub


@pytest.fixture
def script(server: StubServer) -> TokenServer:
    """The server, as one that reads tokens."""
    made = TokenServer()
    server.script = made
    return made
