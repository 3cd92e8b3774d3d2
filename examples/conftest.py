"""The model that the limits of these examples were chosen for. Your own tests take `llm`, the model of --llm-model."""

from typing import Any

import pytest

from pytest_llm import load_model


@pytest.fixture(scope="session")
def smollm2() -> Any:
    """SmolLM2-135M of the extra [smollm2]; tests that use it are marked smollm2."""
    return load_model("smollm2")
