"""Shared fixtures: pytester, and the real models, loaded once."""

from __future__ import annotations

import pytest
from hypothesis import settings

from pytest_llm.models.devices import share_cores
from pytest_llm.models.embedding_model import EmbeddingModel
from pytest_llm.models.loading import load_model
from pytest_llm.models.transformers_model import TransformersModel
from tests.browser import browser
from tests.pytest_runs import LOADED_BEFORE

__all__ = ["LOADED_BEFORE", "browser"]

pytest_plugins = ["pytester", "tests.ray_clusters"]

# what runs on each change draws little, and the same each time: a build does not turn red by chance; `make thorough` draws anew
settings.register_profile("quick", max_examples=15, derandomize=True, deadline=None)
settings.register_profile("thorough", max_examples=500, deadline=None)
settings.load_profile("quick")

share_cores()  # for tests that ask torch without a model of ours


@pytest.fixture(scope="session")
def tiny() -> TransformersModel:
    """The shipped tiny-decoder, in float32 on the CPU."""
    model = load_model("tiny-decoder", device="cpu")
    assert isinstance(model, TransformersModel)
    return model


@pytest.fixture(scope="session")
def minilm() -> EmbeddingModel:
    """all-MiniLM-L6-v2 of the [minilm] extra, in float32 on the CPU. Tests that use it are marked `minilm`."""
    model = load_model("minilm", device="cpu")
    assert isinstance(model, EmbeddingModel)
    return model


@pytest.fixture(scope="session")
def smollm2() -> TransformersModel:
    """SmolLM2-135M of the [smollm2] extra, in float32 on the CPU. Tests that use it are marked `smollm2`."""
    model = load_model("smollm2", device="cpu")
    assert isinstance(model, TransformersModel)
    return model
