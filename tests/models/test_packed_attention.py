"""What packing does not do is refused, and a model has its own attention again afterwards."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from transformers import AttentionInterface, LlamaConfig

from pytest_llm.models import packed_attention
from pytest_llm.models.packed_attention import (
    CannotPack,
    refuse_what_packing_misses,
    replaced_attention,
)
from pytest_llm.models.transformers_model import TransformersModel


class SmallModel(torch.nn.Module):
    """As much of a model as is looked at before it is packed."""

    def __init__(self) -> None:
        super().__init__()
        self.config = LlamaConfig()
        self.head = torch.nn.Linear(2, 2)

    def get_output_embeddings(self) -> torch.nn.Module:
        return self.head


class Recorder:
    """Stands in for the attention of a row."""

    longest = 40

    def __call__(self, layer: int, query: Any, key: Any, value: Any, scaling: float | None) -> Any:
        return query


@pytest.fixture
def attend() -> Any:
    token = packed_attention._reading.set(Recorder())
    layer = SimpleNamespace(layer_idx=1)
    query = torch.randn(1, 2, 5, 3)
    interface: Any = AttentionInterface
    call = interface()["pytest_llm_packed"]

    def attend(module: Any = layer, mask: Any = None, **settings: Any) -> Any:
        return call(module, query, query, query, mask, **settings)

    yield attend
    packed_attention._reading.reset(token)


@pytest.mark.parametrize(
    "harmless",
    [
        {},
        {"sliding_window": None},
        {"sliding_window": 40},
        {"dropout": 0.1, "is_causal": True, "position_ids": torch.arange(5)},
        {"softcap": None, "output_router_logits": False},
    ],
)
def test_what_changes_nothing_is_let_pass(attend: Any, harmless: dict[str, Any]) -> None:
    attended, weights = attend(**harmless)
    assert attended.shape == (1, 5, 2, 3)
    assert weights is None


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"mask": torch.zeros(5, 5)}, "attention brings a mask of its own"),
        ({"sliding_window": 39}, "attention slides over 39 tokens"),
        ({"softcap": 50.0}, "attention is given softcap"),
        ({"s_aux": torch.zeros(2)}, "attention is given s_aux"),
        ({"something_new": 0}, "attention is given something_new"),
        ({"module": SimpleNamespace()}, "does not say which layer it belongs to"),
        ({"module": SimpleNamespace(layer_idx=None)}, "does not say which layer it belongs to"),
    ],
)
def test_what_packing_does_not_do_is_refused(attend: Any, settings: dict[str, Any], reason: str) -> None:
    with pytest.raises(CannotPack, match=reason):
        attend(**settings)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("sliding_window", "attention slides over 50 tokens"),
        ("attention_chunk_size", "is cut into chunks of 50 tokens"),
    ],
)
def test_attention_that_the_configuration_limits_is_refused_beyond_its_reach(name: str, reason: str) -> None:
    module = SmallModel()
    setattr(module.config, name, 50)
    refuse_what_packing_misses(module, 50)
    with pytest.raises(CannotPack, match=reason):
        refuse_what_packing_misses(module, 51)


@pytest.mark.parametrize("nested", [True, False])
@pytest.mark.parametrize(("kind", "refused"), [("longrope", True), ("dynamic", True), ("yarn", False)])
def test_positions_that_follow_the_longest_text_are_refused_beyond_what_is_known(
    kind: str, refused: bool, nested: bool
) -> None:
    module = SmallModel()
    rotary: Any = {"rope_type": kind, "original_max_position_embeddings": 50}
    module.config.rope_parameters = {"full_attention": rotary, "sliding_attention": rotary} if nested else rotary
    refuse_what_packing_misses(module, 50)
    if refused:
        with pytest.raises(CannotPack, match="beyond 50 tokens its positions depend on the longest text of a row"):
            refuse_what_packing_misses(module, 51)
    else:
        refuse_what_packing_misses(module, 51)


@pytest.mark.parametrize("part", ["module", "head"])
@pytest.mark.parametrize("change", ["hook", "pre-hook", "forward"])
def test_what_packing_goes_past_must_be_as_its_class_says(part: str, change: str) -> None:
    module = SmallModel()
    altered = module if part == "module" else module.head
    refuse_what_packing_misses(module, 50)
    if change == "hook":
        altered.register_forward_hook(lambda module, given, output: None)
    elif change == "pre-hook":
        altered.register_forward_pre_hook(lambda module, given: None)
    else:
        altered.forward = lambda rows: rows  # type: ignore[method-assign]
    with pytest.raises(CannotPack, match=f"the forward of its {type(altered).__name__} is hooked or replaced"):
        refuse_what_packing_misses(module, 50)


def test_a_model_of_several_models_is_refused() -> None:
    several = SimpleNamespace(get_text_config=LlamaConfig)
    model = SimpleNamespace(config=several)
    with pytest.raises(CannotPack, match="made of several models"), replaced_attention(model):
        pytest.fail("it was entered")


def test_the_models_attention_comes_back_even_after_an_error(tiny: TransformersModel) -> None:
    config = tiny.module.config
    before = config._attn_implementation
    with replaced_attention(tiny.module):
        assert config._attn_implementation != before
    assert config._attn_implementation == before
    with pytest.raises(ZeroDivisionError), replaced_attention(tiny.module):
        raise ZeroDivisionError
    assert config._attn_implementation == before


def test_a_model_that_keeps_its_attention_is_refused() -> None:
    class Stubborn:
        def __init__(self) -> None:
            self.config = LlamaConfig()

        def set_attn_implementation(self, name: str) -> None:
            pass

    with pytest.raises(CannotPack, match="its attention cannot be replaced"), replaced_attention(Stubborn()):
        pytest.fail("it was entered")
