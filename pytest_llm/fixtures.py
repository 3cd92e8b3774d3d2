"""The fixtures. Each imports what it needs inside its body, so that a test run without them costs nothing."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from pytest_llm.errors import MisuseError

if TYPE_CHECKING:
    from pytest_llm.inference.measure import Answers, Questions
    from pytest_llm.judging.measurement import Measurement
    from pytest_llm.models.core_factory import Architecture, Factory
    from pytest_llm.models.language_model import AnyModel


@pytest.fixture(scope="session")
def llm_device(request: pytest.FixtureRequest) -> str:
    """Device for models, such as "cpu" or "cuda:1": --llm-device, by default this xdist worker's GPU, else the CPU."""
    __tracebackhide__ = True
    from pytest_llm.models.devices import choose_device

    try:
        return choose_device(request.config.getoption("llm_device"))
    except MisuseError as error:
        raise pytest.UsageError(f"--llm-device: {error}") from None


@pytest.fixture
def llm_devices(request: pytest.FixtureRequest) -> list[str]:
    """Devices of a test marked llm_gpu, as many as its marker counts: this xdist worker's share of the machine."""
    from pytest_llm.markers import asked_by
    from pytest_llm.models.devices import assigned_gpus, gpus, worker_number

    required = asked_by(request.node, "llm_gpu")
    if not required:
        raise pytest.UsageError(f"{request.node.nodeid}: llm_devices is for tests marked llm_gpu")
    return [f"cuda:{gpu.index}" for gpu in assigned_gpus(gpus(), worker_number(), required[-1])]


def named_model(config: pytest.Config) -> tuple[str, str | None]:
    """Who names the model of the fixture llm, and the model; None where nobody does."""
    options = [
        ("--llm-model", config.getoption("llm_model")),
        ("PYTEST_LLM_MODEL", os.environ.get("PYTEST_LLM_MODEL")),
        ("ini key llm_model", config.getini("llm_model")),
    ]
    return next(((origin, value) for origin, value in options if value), ("default", None))


def _placed(config: pytest.Config, device: str) -> dict[str, Any]:
    """Where a model goes, and of which type its weights are."""
    spread = config.getoption("llm_device_map")
    where = {"device": device} if spread is None else {"device_map": spread}
    if spread is not None and config.getoption("llm_engine") == "ray":
        where = {"device": "cpu"}  # the actors spread theirs, over GPUs that are to be free
    return {**where, "dtype": config.getoption("llm_dtype")}


@pytest.fixture(scope="session")
def llm(request: pytest.FixtureRequest, llm_device: str) -> AnyModel:
    """The model under test: --llm-model, else PYTEST_LLM_MODEL, else the ini key llm_model, else a tiny one that is shipped.

    Override it in your conftest.py to measure a model that no path describes: return a (model, tokenizer) pair, or any
    object with a method score(texts).
    """
    __tracebackhide__ = True
    from pytest_llm.models.loading import load_model
    from pytest_llm.models.sources import DEFAULT_MODEL

    origin, source = named_model(request.config)
    try:
        return load_model(source or DEFAULT_MODEL, **_placed(request.config, llm_device))
    except MisuseError as error:
        raise pytest.UsageError(f"{origin}: {error}") from None


@pytest.fixture(scope="session")
def llm_reference(request: pytest.FixtureRequest, llm_device: str) -> AnyModel:
    """The model of --llm-reference, to compare the one under test with: `assert_no_regression(…, reference=llm_reference)`."""
    __tracebackhide__ = True
    from pytest_llm.models.loading import load_model

    source = request.config.getoption("llm_reference")
    if not source:
        raise pytest.UsageError("llm_reference: say which model with --llm-reference MODEL")
    try:
        return load_model(source, **_placed(request.config, llm_device))
    except MisuseError as error:
        raise pytest.UsageError(f"--llm-reference: {error}") from None


@pytest.fixture
def llm_measure(request: pytest.FixtureRequest) -> Callable[..., Measurement]:
    """Measure and leave the verdict to the marker llm_threshold.

    Call it as llm_measure("perplexity", texts); it measures the fixture llm, or what model=… names: another model, or a list of
    outputs. task=…, engine=… and the metric's settings are passed on, as in llm_measure("bleu", rows, task=Generate(…)).
    """
    from pytest_llm.assertions.gate import assertion
    from pytest_llm.inference.measure import measure
    from pytest_llm.metrics import METRICS

    @assertion
    def measure_now(metric: str, data: Questions, *, model: Answers | None = None, **settings: Any) -> Measurement:
        of_people = metric in METRICS and METRICS[metric].of_people
        asked = request.getfixturevalue("llm") if model is None and not of_people else model
        return measure(asked, data, metric, **settings)

    return measure_now


ON_EACH_DEVICE = ["cpu", pytest.param("gpu", marks=pytest.mark.llm_gpu)]
"""Tests of a Transformer run on the CPU and, where there is one, on this worker's GPU."""


def _factory(request: pytest.FixtureRequest, architecture: Architecture) -> Factory:
    from pytest_llm.models.core_factory import Factory

    return Factory(architecture, "cpu" if request.param == "cpu" else request.getfixturevalue("llm_device"))


@pytest.fixture(scope="session", params=ON_EACH_DEVICE)
def transformer_encoder(request: pytest.FixtureRequest) -> Factory:
    """Makes encoders, which predict masked tokens, or with labels=3 classify texts.

    Takes a size ("tiny", "small", "base") and a seed. Other settings are those of Config in pytest_llm.transformer. The
    test runs on the CPU and, marked llm_gpu, on this worker's GPU.
    """
    return _factory(request, "encoder")


@pytest.fixture(scope="session", params=ON_EACH_DEVICE)
def transformer_decoder(request: pytest.FixtureRequest) -> Factory:
    """Makes decoders with fresh weights, or with trained=True those that are shipped.

    Takes a size ("tiny", "small", "base") and a seed. Other settings are those of Config in pytest_llm.transformer. The
    test runs on the CPU and, marked llm_gpu, on this worker's GPU.
    """
    return _factory(request, "decoder")


@pytest.fixture(scope="session", params=ON_EACH_DEVICE)
def transformer_encoder_decoder(request: pytest.FixtureRequest) -> Factory:
    """Makes encoder-decoders with fresh weights.

    Takes a size ("tiny", "small", "base") and a seed. Other settings are those of Config in pytest_llm.transformer. The
    test runs on the CPU and, marked llm_gpu, on this worker's GPU.
    """
    return _factory(request, "encoder-decoder")
