"""Cache keys: the same in every process for the same model, another one after any change, none where code may have changed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
import torch
from transformers.models.llama import modeling_llama

from pytest_llm import embedded, load_model
from pytest_llm.models import cache_key as module_under_test
from pytest_llm.models.core_model import CoreCausalModel, load_core_model
from pytest_llm.models.language_model import Window
from pytest_llm.models.loading import as_language_model
from pytest_llm.models.transformers_model import TransformersModel
from pytest_llm.transformer.attention import attention_formula, use_attention
from tests.models.test_fingerprint import EDITS, hook, replace_forward
from tests.tiny_checkpoints import tiny_bart, tiny_bert, tiny_distilbert, tiny_roberta, tiny_t5


@pytest.fixture
def model() -> TransformersModel:
    """A fresh one, to be changed."""
    loaded = load_model("tiny-decoder", device="cpu")
    assert isinstance(loaded, TransformersModel)
    return loaded


def test_it_is_the_same_in_another_process_and_for_a_copy_in_another_folder(
    tiny: TransformersModel, tmp_path: Path
) -> None:
    copy = shutil.copytree(embedded("models/tiny-decoder"), tmp_path / "copy")
    code = "import sys; from pytest_llm import load_model; print(load_model(sys.argv[1], device='cpu').cache_key())"
    environment = {**os.environ, "PYTHONHASHSEED": "7"}
    done = subprocess.run([sys.executable, "-c", code, str(copy)], env=environment, capture_output=True, text=True)
    assert done.stdout.strip() == tiny.cache_key()


@pytest.mark.parametrize("make", [tiny_t5, tiny_bart, tiny_bert, tiny_roberta, tiny_distilbert])
def test_every_kind_of_model_has_one(make: Callable[[], tuple[Any, Any]]) -> None:
    module, tokenizer = make()
    key = as_language_model((module, tokenizer)).cache_key()  # type: ignore[union-attr]
    assert isinstance(key, str)
    with torch.no_grad():
        next(module.parameters()).view(-1)[0] += 1
    assert as_language_model((module, tokenizer)).cache_key() != key  # type: ignore[union-attr]


def test_a_core_model_has_one_that_changes_with_its_attention() -> None:
    """Its replaced attention is a function of ours, which is told by its name; one of somebody else's is not."""
    core = load_core_model(embedded("models/tiny-decoder"))
    assert isinstance(core, CoreCausalModel)
    keys = [core.cache_key()]
    use_attention(core.core, attention_formula)
    keys.append(core.cache_key())
    assert None not in keys
    assert len(set(keys)) == 2
    use_attention(core.core, lambda *given, **settings: attention_formula(*given, **settings))
    assert core.cache_key() is None


@pytest.mark.parametrize("edit", [edit for edit in EDITS if edit not in (hook, replace_forward)])
def test_no_change_of_the_model_goes_unnoticed(
    model: TransformersModel, edit: Callable[[TransformersModel], None]
) -> None:
    before = model.cache_key()
    assert model.cache_key() == before
    edit(model)
    assert model.cache_key() not in (before, None)


def test_numbers_that_change_places_within_a_row_are_another_model(model: TransformersModel) -> None:
    """What `fingerprint`, a sum over blocks, is blind to, in a tensor's version too if it is edited behind autograd's back."""
    seen = model.fingerprint(), model.cache_key()
    weight = model.module.model.layers[0].mlp.up_proj.weight.data
    weight[5, [0, 2]] = weight[5, [2, 0]]
    assert model.fingerprint() == seen[0]
    assert model.cache_key() not in (seen[1], None)


def test_half_precision_and_another_attention_are_other_models(
    tiny: TransformersModel, model: TransformersModel
) -> None:
    assert load_model("tiny-decoder", device="cpu", dtype="bfloat16").cache_key() not in (tiny.cache_key(), None)
    model.module.set_attn_implementation("eager")
    assert model.cache_key() not in (tiny.cache_key(), None)


def test_another_tokenizer_is_another_model(tiny: TransformersModel) -> None:
    other = load_model("tiny-decoder", device="cpu")
    other.tokenizer.add_special_tokens({"pad_token": other.tokenizer.eos_token})
    assert other.cache_key() not in (tiny.cache_key(), None)


def test_how_the_tokenizer_was_called_last_is_no_part_of_it(model: TransformersModel) -> None:
    before = model.cache_key()
    model.tokenizer(["some", "some more words"], truncation=True, max_length=2)
    assert model.cache_key() == before


@pytest.mark.parametrize("setting", ["matmul precision", "autocast", "default dtype"])
def test_settings_of_torch_that_change_results_are_part_of_it(tiny: TransformersModel, setting: str) -> None:
    before, precision = tiny.cache_key(), torch.get_float32_matmul_precision()
    try:
        block: AbstractContextManager[Any] = nullcontext()
        if setting == "matmul precision":
            torch.set_float32_matmul_precision("medium")
        elif setting == "default dtype":
            torch.set_default_dtype(torch.float64)
        else:
            block = torch.autocast("cpu", torch.bfloat16)
        with block:
            assert tiny.cache_key() not in (before, None)
    finally:
        torch.set_float32_matmul_precision(precision)
        torch.set_default_dtype(torch.float32)
    assert tiny.cache_key() == before


def test_other_versions_are_other_models(tiny: TransformersModel, monkeypatch: pytest.MonkeyPatch) -> None:
    before = tiny.cache_key()
    monkeypatch.setattr(module_under_test, "version", lambda _: "99")
    assert tiny.cache_key() not in (before, None)


class Halved(torch.nn.Module):
    """What stands in the place of a layer with an adapter: a class of another package."""

    def __init__(self, layer: torch.nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, given: Any) -> Any:
        return self.layer(given) / 2


class Tuned(TransformersModel):
    def score_windows(self, windows: Sequence[Window]) -> list[Any]:
        return [answer / 2 for answer in super().score_windows(windows)]


def adapt(model: TransformersModel, _: pytest.MonkeyPatch) -> None:
    model.module.model.layers[0].mlp = Halved(model.module.model.layers[0].mlp)


def replace_of_class(_: TransformersModel, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(modeling_llama.LlamaMLP, "forward", lambda *_: None)


def replace_by_a_mock(_: TransformersModel, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(modeling_llama.LlamaMLP, "forward", Mock())


def replace_a_function_of_its_module(_: TransformersModel, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(modeling_llama, "apply_rotary_pos_emb", lambda q, k, *_: (q, k))


def replace_a_class_of_its_module(_: TransformersModel, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(modeling_llama, "LlamaMLP", Halved)


def replace_a_method_of_the_base(_: TransformersModel, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(torch.nn.Linear, "forward", lambda layer, rows: rows)


def replace_our_method(model: TransformersModel, _: pytest.MonkeyPatch) -> None:
    model.score_windows = lambda windows: []  # type: ignore[method-assign]


def replace_our_class_method(_: TransformersModel, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(TransformersModel, "score_windows", lambda *_: [])


def derive_from_ours(model: TransformersModel, _: pytest.MonkeyPatch) -> None:
    model.__class__ = Tuned


def set_an_attribute(model: TransformersModel, _: pytest.MonkeyPatch) -> None:
    model.module.model.layers[1].mlp.act_fn = Halved(torch.nn.SiLU())


def keep_an_object(model: TransformersModel, _: pytest.MonkeyPatch) -> None:
    model.module.model.layers[1].strategy = object()


def hook_before(model: TransformersModel, _: pytest.MonkeyPatch) -> None:
    model.module.model.layers[1].register_forward_pre_hook(lambda *_: None)


def replace_tokenizing(model: TransformersModel, _: pytest.MonkeyPatch) -> None:
    model.tokenizer._encode_plus = lambda *_, **__: {"input_ids": []}


def quantise(model: TransformersModel, _: pytest.MonkeyPatch) -> None:
    class Packed(torch.Tensor):
        pass

    model.module.register_buffer("odd", torch.zeros(3).as_subclass(Packed))


CHANGES = [
    adapt,
    replace_of_class,
    replace_by_a_mock,
    replace_a_function_of_its_module,
    replace_a_class_of_its_module,
    replace_a_method_of_the_base,
    replace_our_method,
    replace_our_class_method,
    derive_from_ours,
    set_an_attribute,
    keep_an_object,
    hook_before,
    replace_tokenizing,
    quantise,
]


@pytest.mark.parametrize("change", CHANGES)
def test_a_model_whose_code_is_not_what_its_version_says_has_none(
    model: TransformersModel, monkeypatch: pytest.MonkeyPatch, change: Callable[..., None]
) -> None:
    assert model.cache_key() is not None
    change(model, monkeypatch)
    assert model.cache_key() is None


@pytest.mark.parametrize("change", [hook, replace_forward])
def test_nor_has_one_with_a_hook_or_a_forward_of_its_own(
    model: TransformersModel, change: Callable[[TransformersModel], None]
) -> None:
    change(model)
    assert model.cache_key() is None


@pytest.fixture
def hook_on_everything() -> Iterator[None]:
    handle = torch.nn.modules.module.register_module_forward_hook(lambda *_: None)
    yield
    handle.remove()


@pytest.mark.usefixtures("hook_on_everything")
def test_nor_under_a_hook_on_all_modules(tiny: TransformersModel) -> None:
    assert tiny.cache_key() is None


def test_nor_where_every_operation_is_seen_by_somebody(tiny: TransformersModel) -> None:
    class Watching(torch.overrides.TorchFunctionMode):
        def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            return function(*args, **(kwargs or {}))

    with Watching():
        assert tiny.cache_key() is None


def test_the_reason_is_logged(model: TransformersModel, caplog: pytest.LogCaptureFixture) -> None:
    keep_an_object(model, pytest.MonkeyPatch())
    with caplog.at_level("INFO"):
        model.cache_key()
    assert (
        "answers of tiny-decoder are not kept on disk: it has model.layers.1.strategy, a builtins.object" in caplog.text
    )


def test_weights_are_hashed_once(model: TransformersModel, monkeypatch: pytest.MonkeyPatch) -> None:
    model.cache_key()
    monkeypatch.setattr(module_under_test, "bytes_of", None)
    model.cache_key()
