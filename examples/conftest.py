"""The model that the limits of these examples were chosen for. Your own tests take `llm`, the model of --llm-model."""

from typing import Any

import pytest

from pytest_llm import load_model


@pytest.fixture(scope="session")
def smollm2() -> Any:
    """SmolLM2-135M of the extra [smollm2]; tests that use it are marked smollm2."""
    return load_model("smollm2")


@pytest.fixture(scope="session")
def minilm() -> Any:
    """all-MiniLM-L6-v2 of the extra [minilm], which embeds; tests that use it are marked minilm."""
    return load_model("minilm")
