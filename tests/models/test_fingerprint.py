"""Fingerprints: equal while nothing changed, different after any change, and never fooled by a reused address."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable

import pytest
import torch

from pytest_llm import load_model
from pytest_llm.models.fingerprint import fingerprint
from pytest_llm.models.transformers_model import TransformersModel


def edit_in_place(model: TransformersModel) -> None:
    with torch.no_grad():
        model.module.model.layers[1].mlp.up_proj.weight[3, 5] += 0.5


def edit_behind_autograd(model: TransformersModel) -> None:
    model.module.model.layers[1].mlp.up_proj.weight.data[3, 5] += 0.5  # leaves no trace in the tensor's version


def edit_one_bit(model: TransformersModel) -> None:
    model.module.model.norm.weight.data.view(torch.int32)[7] ^= 1


def edit_the_last_element(model: TransformersModel) -> None:
    model.module.model.layers[2].input_layernorm.weight.data[-1] += 1  # 768 bytes: less than one block


def swap_rows(model: TransformersModel) -> None:
    weight = model.module.model.layers[0].self_attn.q_proj.weight.data
    weight[[0, 32]] = weight[[32, 0]]


def edit_config(model: TransformersModel) -> None:
    model.module.config.rms_norm_eps = 0.1


def train(model: TransformersModel) -> None:
    model.module.train()


def hook(model: TransformersModel) -> None:
    model.module.model.layers[2].register_forward_hook(lambda *_: None)


def switch_something_off(model: TransformersModel) -> None:
    model.module.model.layers[2].mlp._disable_adapters = True  # as peft does


def replace_forward(model: TransformersModel) -> None:
    model.module.model.norm.forward = torch.nn.Identity().forward


EDITS = [
    edit_in_place,
    edit_behind_autograd,
    edit_one_bit,
    edit_the_last_element,
    swap_rows,
    edit_config,
    train,
    hook,
    switch_something_off,
    replace_forward,
]


@pytest.mark.parametrize("edit", EDITS)
def test_no_change_of_the_model_goes_unnoticed(edit: Callable[[TransformersModel], None]) -> None:
    model = load_model("tiny-decoder", device="cpu")
    assert isinstance(model, TransformersModel)
    before = model.fingerprint()
    assert model.fingerprint() == before
    edit(model)
    assert model.fingerprint() != before


def test_an_object_made_at_the_address_of_one_that_is_gone_is_another(tiny: TransformersModel) -> None:
    """CPython reuses addresses at once: patching a layer in a loop would otherwise hand out the first patch's answers."""
    layer = tiny.module.model.layers[0].mlp
    seen, addresses = [], set()
    try:
        for _ in range(20):
            layer.forward = lambda rows: rows
            addresses.add(id(layer.forward))
            seen.append(tiny.fingerprint())
            del layer.forward
    finally:
        vars(layer).pop("forward", None)
    assert len(addresses) < 20  # or this test shows nothing
    assert all(one != other for index, one in enumerate(seen) for other in seen[:index])


def test_another_tokenizer_of_the_same_size_is_another(tiny: TransformersModel) -> None:
    class Tokenizer:
        bos_token_id = eos_token_id = 0

        def __len__(self) -> int:
            return 2048

    first, second = Tokenizer(), Tokenizer()
    assert fingerprint(tiny.module, first) == fingerprint(tiny.module, first)
    assert fingerprint(tiny.module, first) != fingerprint(tiny.module, second)


def test_a_fingerprint_keeps_no_model_alive() -> None:
    model = load_model("tiny-decoder", device="cpu")
    model.module.model.norm._old_forward = model.module.model.norm.forward  # as accelerate's hooks do
    kept = model.fingerprint()
    gone = weakref.ref(model.module)
    del model
    gc.collect()
    assert kept
    assert gone() is None


@pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor")  # deprecated, but checkpoints of its kind exist
@pytest.mark.parametrize("kind", ["subclass", "meta", "quantized"])
def test_weights_that_cannot_be_read_have_no_fingerprint(kind: str) -> None:
    class Packed(torch.Tensor):
        pass

    model = load_model("tiny-decoder", device="cpu")
    odd = {
        "subclass": torch.zeros(3).as_subclass(Packed),
        "meta": torch.zeros(3, device="meta"),
        "quantized": torch.quantize_per_tensor(torch.zeros(3), 0.1, 0, torch.qint8),
    }[kind]
    model.module.register_buffer("odd", odd)
    assert model.fingerprint() is None
