"""Rows of a table, as tests of reports need them."""

from __future__ import annotations

from typing import Any

from pytest_llm.reports.rows import Figures, Row


def row(test: str = "t.py::a", **others: Any) -> Row:
    """A perplexity that passed, unless told otherwise."""
    usual: dict[str, Any] = {
        "metric": "perplexity",
        "verdict": "passed",
        "passed": True,
        "warns": False,
        "value": "8",
        "interval": "7 to 9",
        "claim": "below 9",
        "spare": "1",
        "n": 31,
        "sentence": "perplexity 8 is below 9",
        "model": "tiny",
        "device": "float32 on cpu",
        "signature": "perplexity|bos:yes",
        "data": "0123456789ab",
        "figures": Figures(8.0, 7.0, 9.0, 9.0),
    }
    return Row(test, **{**usual, **others})


def failed(test: str = "t.py::b", **others: Any) -> Row:
    """One that did not."""
    return row(test, **{"verdict": "failed", "passed": False, "claim": "below 7", "spare": "−1", **others})
