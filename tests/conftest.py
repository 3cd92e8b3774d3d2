"""Shared fixtures: pytester, and the real models, loaded once."""

from __future__ import annotations

import gc
import signal
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from pytest_llm.models.devices import share_cores
from tests.browser import browser

if TYPE_CHECKING:  # the controller of several workers runs no test and imports no torch
    from pytest_llm.models.embedding_model import EmbeddingModel
    from pytest_llm.models.transformers_model import TransformersModel

__all__ = ["browser"]

pytest_plugins = ["pytester", "tests.ray_clusters"]

# what runs on each change draws little, and the same each time: a build does not turn red by chance; `make thorough` draws anew
settings.register_profile("quick", max_examples=15, derandomize=True, deadline=None)
settings.register_profile("thorough", max_examples=500, deadline=None)
settings.load_profile("quick")

SHARED = ("smollm2", "ray_cluster", "minilm", "serve", "browser")
"""Fixtures of a session that take seconds to make."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Of several workers one makes what many tests share, and the longest tests begin first: `--dist worksteal` hands neighbours to
    one worker, and what is left of them to whoever is idle.
    """

    def place(item: pytest.Item) -> int:
        shared = [number for number, name in enumerate(SHARED) if name in getattr(item, "fixturenames", ())]
        marked = [number for number, name in enumerate(SHARED) if item.get_closest_marker(name)]
        return min(shared + marked, default=len(SHARED) + (item.path.name != "test_examples.py"))

    if hasattr(config, "workerinput"):
        items.sort(key=place)


share_cores()  # for tests that ask torch without a model of ours


@pytest.fixture(scope="session", autouse=True)
def _loaded() -> None:
    """What runs of pytest inside a test need. What is there before the first test stays: nobody looks for garbage in it."""
    import tests.pytest_runs  # noqa: F401

    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def _can_be_interrupted() -> None:
    """A shell that starts a job in the background has it ignore Ctrl-C, and all that this starts: tests of interruption send it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def tiny() -> TransformersModel:
    """The shipped tiny-decoder, in float32 on the CPU."""
    from pytest_llm.models.loading import load_model
    from pytest_llm.models.transformers_model import TransformersModel

    model = load_model("tiny-decoder", device="cpu")
    assert isinstance(model, TransformersModel)
    return model


@pytest.fixture(scope="session")
def minilm() -> EmbeddingModel:
    """all-MiniLM-L6-v2 of the [minilm] extra, in float32 on the CPU. Tests that use it are marked `minilm`."""
    from pytest_llm.models.embedding_model import EmbeddingModel
    from pytest_llm.models.loading import load_model

    model = load_model("minilm", device="cpu")
    assert isinstance(model, EmbeddingModel)
    return model


@pytest.fixture(scope="session")
def smollm2() -> TransformersModel:
    """SmolLM2-135M of the [smollm2] extra, in float32 on the CPU. Tests that use it are marked `smollm2`."""
    from pytest_llm.models.loading import load_model
    from pytest_llm.models.transformers_model import TransformersModel

    model = load_model("smollm2", device="cpu")
    assert isinstance(model, TransformersModel)
    return model
