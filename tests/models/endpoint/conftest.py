"""A server that can be told what to answer, and nobody's key."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.models.endpoint.stub_server import StubServer, serving


@pytest.fixture(autouse=True)
def _no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


@pytest.fixture
def server() -> Iterator[StubServer]:
    with serving() as stub:
        yield stub
