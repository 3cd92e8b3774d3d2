"""Shipped rows for fine-tuning, cut short, and split by cluster: no page is on both sides."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from pytest_llm import embedded, load_examples

Rows = list[dict[str, Any]]


def split(name: str, labels: Sequence[str], *, words: int = 12, held_out: int = 3) -> tuple[Rows, Rows]:
    """Rows to train on, and held-out rows: those of every third cluster, in an order that has nothing to do with their content."""
    rows: Rows = [
        {
            "id": example.id,
            "text": " ".join(example.text.split()[:words]),
            "target": example.target,
            "cluster": example.cluster,
        }
        for example in load_examples(embedded(f"data/{name}.jsonl"))
        if example.target in labels
    ]
    clusters = sorted({row["cluster"] for row in rows}, key=lambda name: hashlib.sha256(name.encode()).hexdigest())
    outside = set(clusters[::held_out])
    return [row for row in rows if row["cluster"] not in outside], [row for row in rows if row["cluster"] in outside]
