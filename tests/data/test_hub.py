"""Data sets of the hub: which one is asked for, and what is said where it cannot be had. `datasets` reads no server here."""

from __future__ import annotations

from typing import Any

import datasets
import pytest

from pytest_llm import load_examples
from pytest_llm.data.loading import describe
from pytest_llm.errors import MisuseError


@pytest.mark.parametrize(
    ("address", "asked"),
    [
        ("hf://datasets/owner/name#test", ("owner/name", None, "test", None)),
        ("hf://datasets/owner/na.me@v1.0#test", ("owner/na.me", None, "test", "v1.0")),
        ("hf://datasets/owner/name/en-de#test", ("owner/name", "en-de", "test", None)),
        ("hf://datasets/owner/name@7b6d24c/en#test", ("owner/name", "en", "test", "7b6d24c")),
    ],
)
def test_the_address_says_what_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, address: str, asked: tuple[str | None, ...]
) -> None:
    calls: list[tuple[str | None, ...]] = []

    def load_dataset(name: str, configuration: str | None, *, split: str, revision: str | None) -> datasets.Dataset:
        calls.append((name, configuration, split, revision))
        return datasets.Dataset.from_list([{"text": "one", "id": "a"}])

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    (example,) = load_examples(address)
    assert (example.text, example.id) == ("one", "a")
    assert calls == [asked]
    assert describe(address) == address


@pytest.mark.parametrize(
    "address",
    ["hf://datasets/owner/name", "hf://owner/name#test", "hf://datasets/name#test", "hf://datasets/../name/x/y#test"],
)
def test_an_address_that_is_none_is_refused_before_anything_is_asked(
    monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setattr(datasets, "load_dataset", lambda *_, **__: pytest.fail("it was asked for"))
    with pytest.raises(MisuseError, match="expected hf://datasets/<owner>/<name>#<split>"):
        load_examples(address)


def test_what_cannot_be_had_is_an_error_that_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    def load_dataset(*_: Any, **__: Any) -> None:
        raise FileNotFoundError("no such data set\nand a page of other words")

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    with pytest.raises(MisuseError, match=r"cannot be had \(FileNotFoundError: no such data set\)$"):
        load_examples("hf://datasets/owner/name#test")
