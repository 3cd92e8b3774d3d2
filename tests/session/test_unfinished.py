"""What is still heard of workers when a session is interrupted."""

from __future__ import annotations

from queue import Queue
from typing import Any

import pytest

from pytest_llm.session import unfinished
from pytest_llm.session.unfinished import hear_out


class Workers:
    """As the session of xdist has them."""

    def __init__(self, *events: tuple[str, dict[str, Any]]) -> None:
        self.queue: Queue[tuple[str, dict[str, Any]]] = Queue()
        for event in events:
            self.queue.put(event)
        self.heard: list[Any] = []

    def worker_testreport(self, rep: str) -> None:
        self.heard.append(rep)
        if rep == "endless":
            self.queue.put(("testreport", {"rep": rep}))


def test_reports_are_heard_and_nothing_else() -> None:
    workers = Workers(("testreport", {"rep": "one"}), ("errordown", {"node": "gw0"}), ("testreport", {"rep": "two"}))
    hear_out(workers)
    assert workers.heard == ["one", "two"]


def test_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unfinished, "HEARD_OUT", 0.02)
    workers = Workers(("testreport", {"rep": "endless"}))
    hear_out(workers)
    assert workers.heard
