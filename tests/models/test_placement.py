"""A model that is spread over devices (here the host's memory and the disk) gives the numbers of one that is in one place."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch

from pytest_llm import MisuseError, load_model, measure
from pytest_llm.inference.engine import Engine
from pytest_llm.inference.memo import remembering
from pytest_llm.models.checkpoint import Checkpoint
from pytest_llm.models.placement import device_of, devices_of
from pytest_llm.models.placement import spread as spread_out
from pytest_llm.models.size import in_memory, parameters
from pytest_llm.tasks.decoding import Decoding
from tests.old_releases import puts_no_tied_weights_on_disk

TEXTS = [
    "It is a truth universally acknowledged, that a single man in possession of a good fortune must be in want of a wife.",
    "However little known the feelings or views of such a man may be on his first entering a neighbourhood",
    "this truth is so well fixed in the minds of the surrounding families",
]
PARTS = ("model.embed_tokens", "model.layers.0", "model.layers.1", "model.layers.2", "model.norm", "model.rotary_emb")


def spread(*on_disk: str) -> dict[str, int | str]:
    return {part: "disk" if part in on_disk else "cpu" for part in (*PARTS, "lm_head")}


MAPS: dict[str, Any] = {
    "a layer on disk": {"device_map": spread("model.layers.1")},
    "embeddings and head on disk": {"device_map": spread("model.embed_tokens", "lm_head", "model.layers.2")},
    "all on disk": {"device_map": "auto", "max_memory": {"cpu": "500KB"}},
}
TIED_ON_DISK = ("embeddings and head on disk", "all on disk")


@pytest.fixture(scope="module")
def plain() -> Any:
    return load_model("tiny-decoder", device="cpu")


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param(settings, id=name, marks=puts_no_tied_weights_on_disk if name in TIED_ON_DISK else ())
        for name, settings in MAPS.items()
    ],
)
@pytest.mark.filterwarnings("ignore")  # what transformers has to say of the disk
def test_its_numbers_are_those_of_a_model_in_one_place(plain: Any, settings: Any) -> None:
    model: Any = load_model("tiny-decoder", **settings)
    assert "disk" in devices_of(model.module)
    assert str(device_of(model.module)) == str(model.device) == "cpu"
    found, expected = (measure(one, TEXTS, "perplexity") for one in (model, plain))
    np.testing.assert_allclose(found.statistics, expected.statistics, rtol=1e-6)
    assert found.signature == expected.signature
    decoding = Decoding(max_tokens=5)
    assert model.generate(TEXTS[:2], decoding) == plain.generate(TEXTS[:2], decoding)
    assert "spread over" in model.provenance.model


def test_what_is_on_one_device_is_as_ever(plain: Any) -> None:
    model: Any = load_model("tiny-decoder", device_map="auto", max_memory={"cpu": "1GB"})
    assert devices_of(model.module) == []
    assert model.cache_key() == plain.cache_key()
    assert model.provenance == plain.provenance


class Counting:
    """Counts how often a model is asked."""

    def __init__(self, model: Checkpoint) -> None:
        self._model, self.calls = model, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def score_windows(self, windows: Sequence[Any]) -> Any:
        self.calls += 1
        return self._model.score_windows(windows)  # type: ignore[attr-defined]  # a TransformersModel


@pytest.mark.filterwarnings("ignore")
def test_its_answers_are_not_kept_since_nobody_sees_its_weights_change() -> None:
    model = load_model("tiny-decoder", **MAPS["a layer on disk"])
    assert model.fingerprint() is None
    assert model.cache_key() is None
    asked: Any = Counting(model)
    with remembering():
        for _ in range(2):
            measure(asked, TEXTS, "perplexity")
    assert asked.calls == 2


@pytest.mark.filterwarnings("ignore")
def test_it_is_not_sent_elsewhere_and_its_parameters_are_not_counted() -> None:
    model = load_model("tiny-decoder", **MAPS["a layer on disk"])
    with pytest.raises(MisuseError, match=r"spread over the devices cpu, disk \(device_map\)"):
        measure(model, TEXTS, "perplexity", engine=Engine(processes=2))
    with pytest.raises(MisuseError, match="load it on one device"):
        parameters(model)
    assert sum(in_memory(model).values()) < sum(in_memory(load_model("tiny-decoder", device="cpu")).values())


def test_one_that_is_in_memory_is_spread_by_layers(monkeypatch: pytest.MonkeyPatch) -> None:
    import accelerate

    parts = {part: int(part > "model.layers.1") for part in (*PARTS, "lm_head")}  # of GPUs, which are not here
    asked: list[Any] = []
    given: list[Any] = []
    monkeypatch.setattr(accelerate, "infer_auto_device_map", lambda module, **how: (asked.append(how), parts)[1])  # type: ignore[func-returns-value]
    monkeypatch.setattr(accelerate, "dispatch_model", lambda *what, **how: given.append((*what, how)))
    model: Any = load_model("tiny-decoder", device="cpu")
    spread_out(model.module, "auto")
    assert given == [(model.module, parts, {"skip_keys": model.module._skip_keys_device_placement})]
    (how,) = asked
    assert how["no_split_module_classes"] == ["LlamaDecoderLayer"]
    assert how["dtype"] == torch.float32
    assert how["max_memory"].keys() == {"cpu"}


@pytest.mark.parametrize("word", ["auto", "balanced", "balanced_low_0", "sequential"])
def test_where_all_of_it_fits_it_stays_in_one_place(plain: Any, word: str) -> None:
    model: Any = load_model("tiny-decoder", device="cpu")
    spread_out(model.module, word)
    assert devices_of(model.module) == []
    assert model.cache_key() == plain.cache_key()


def test_where_it_does_not_fit_it_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    import accelerate

    model: Any = load_model("tiny-decoder", device="cpu")
    monkeypatch.setattr(accelerate.utils, "get_max_memory", lambda: {"cpu": 2**19})
    with pytest.raises(
        MisuseError, match=r"no room for LlamaForCausalLM \(cpu: 0.000488 GiB\): more GPUs for each actor"
    ):
        spread_out(model.module, "sequential")
    with pytest.raises(MisuseError, match="Linear is no model of transformers"):
        spread_out(torch.nn.Linear(1, 1), "auto")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"device_map": "auto", "device": "cpu"}, "give one of them"),
        ({"max_memory": {"cpu": "1GB"}}, "give device_map='auto' as well"),
        ({"device_map": "nonsense"}, "could not load the model tiny-decoder"),
    ],
)
def test_settings_that_mean_nothing_are_refused(settings: Any, message: str) -> None:
    with pytest.raises(MisuseError, match=message):
        load_model("tiny-decoder", **settings)


def test_without_accelerate_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MisuseError, match=r"pip install 'pytest-llm-regression\[accelerate\]'"):
        load_model("tiny-decoder", device_map="auto")
