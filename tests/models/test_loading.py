"""Loading: every form of model, and a clear refusal for every way it can be wrong."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from pytest_llm import MisuseError, embedded, load_model, measure
from pytest_llm.models.core_factory import fresh_model
from pytest_llm.models.core_model import CoreMaskedModel
from pytest_llm.models.encoder_decoder_model import EncoderDecoderModel
from pytest_llm.models.loading import as_language_model
from pytest_llm.models.masked_model import MaskedModel
from pytest_llm.models.transformers_model import TransformersModel
from pytest_llm.transformer.weights.files import save
from tests import old_releases
from tests.stub_models import CharacterModel, MaskedTable, PairTable, UniformModel
from tests.tiny_checkpoints import TEXTS, tiny_bart, tiny_bert, tiny_distilbert, tiny_roberta, tiny_t5

TINY = embedded("models/tiny-decoder")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the tiny checkpoint to spoil."""
    return Path(shutil.copytree(TINY, tmp_path / "checkpoint"))


@pytest.fixture(scope="module")
def pair() -> tuple[Any, Any]:
    return AutoModelForCausalLM.from_pretrained(TINY), AutoTokenizer.from_pretrained(TINY)


def test_a_path_as_string_or_path_is_loaded(folder: Path) -> None:
    for source in (folder, str(folder)):
        model = as_language_model(source)
        assert isinstance(model, TransformersModel)
        assert model.name == "checkpoint"


def test_a_pair_is_wrapped(pair: tuple[Any, Any]) -> None:
    model = as_language_model(pair)
    assert isinstance(model, TransformersModel)
    assert model.module is pair[0]


@pytest.mark.parametrize("model", [UniformModel(), CharacterModel(), PairTable({}), MaskedTable({})])
def test_an_object_with_the_right_methods_is_taken_as_it_is(model: Any) -> None:
    assert as_language_model(model) is model


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (tiny_t5, EncoderDecoderModel),
        (tiny_bart, EncoderDecoderModel),
        (tiny_bert, MaskedModel),
        (tiny_roberta, MaskedModel),
        (tiny_distilbert, MaskedModel),
    ],
)
def test_the_kind_of_model_is_recognised(make: Any, kind: type, tmp_path: Path) -> None:
    module, tokenizer = make()
    module.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    loaded = load_model(tmp_path, device="cpu")
    for model in (loaded, as_language_model((module, tokenizer))):
        assert type(model) is kind
    assert type(loaded.module) is type(module)
    assert loaded.name == tmp_path.name


def test_what_was_saved_gives_the_same_numbers(tmp_path: Path) -> None:
    module, tokenizer = tiny_bart()
    module.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    rows = [{"text": TEXTS[0], "target": TEXTS[3]}]
    values = [measure(model, rows, "conditional_perplexity").value for model in (tmp_path, (module, tokenizer))]
    assert values[0] == pytest.approx(values[1])


def test_the_model_inside_an_adapter_counts() -> None:
    class Adapted:
        """As PEFT wraps models: a class of its own, and the base model's attributes."""

        def __init__(self, base: Any) -> None:
            self.base = base

        def get_base_model(self) -> Any:
            return self.base

        def __getattr__(self, name: str) -> Any:
            return getattr(self.base, name)

    module, tokenizer = tiny_bert()
    assert isinstance(as_language_model((Adapted(module), tokenizer)), MaskedModel)


def test_a_model_without_its_tokenizer_is_refused(pair: tuple[Any, Any]) -> None:
    with pytest.raises(MisuseError, match=r"LlamaForCausalLM came without its tokenizer: give the pair"):
        as_language_model(pair[0])


@pytest.mark.parametrize("pair", [(), (1, 2), ("a", "b", "c")])
def test_a_wrong_pair_is_refused(pair: Any) -> None:
    with pytest.raises(MisuseError, match=r"expected a \(model, tokenizer\) pair"):
        as_language_model(pair)


def test_anything_else_is_refused() -> None:
    with pytest.raises(MisuseError, match=r"dict is no language model: expected a path, a hub id"):
        as_language_model({})  # type: ignore[arg-type]


@pytest.mark.parametrize("source", ["./nowhere", "/nowhere/at/all", "~/nowhere", "a/b/c", "nowhere.gguf", ""])
def test_an_unknown_path_is_refused(source: str) -> None:
    with pytest.raises(MisuseError, match="no such file or folder"):
        load_model(source)


def test_a_hub_id_that_cannot_be_had_is_refused_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(MisuseError, match="could not load the tokenizer of nobody/no-such-model: ") as caught:
        load_model("nobody/no-such-model")
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_gguf_is_refused(folder: Path) -> None:
    with pytest.raises(MisuseError, match=r"is a file, but no .gguf"):
        load_model(folder / "model.safetensors")


def test_a_folder_without_config_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MisuseError, match=r"no model folder: it has no config.json"):
        load_model(tmp_path)


def test_a_folder_without_tokenizer_is_refused(folder: Path) -> None:
    for file in folder.glob("tokenizer*"):
        file.unlink()
    with pytest.raises(MisuseError, match=r"has no tokenizer .*tokenizer.save_pretrained\(folder\)"):
        load_model(folder)


def test_a_folder_without_weights_is_refused(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    with pytest.raises(MisuseError, match=r"has a config\.json but no weights"):
        load_model(folder)


def test_truncated_weights_are_refused(folder: Path) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(MisuseError, match=r"model\.safetensors in .* cannot be read as safetensors: "):
        load_model(folder)


def test_a_checkpoint_that_lacks_weights_is_refused(tmp_path: Path) -> None:
    module, tokenizer = tiny_bert()
    module.bert.save_pretrained(tmp_path)  # an encoder without its head: transformers would make one of random numbers
    tokenizer.save_pretrained(tmp_path)
    config = tmp_path / "config.json"
    config.write_text(config.read_text().replace("BertModel", "BertForMaskedLM"))
    with pytest.raises(MisuseError, match=r"has no weights for cls\..*BertForMaskedLM needs; they would be random"):
        load_model(tmp_path)


def test_pickled_weights_are_refused_unless_allowed(folder: Path, pair: tuple[Any, Any]) -> None:
    (folder / "model.safetensors").unlink()
    torch.save(pair[0].state_dict(), folder / "pytorch_model.bin")
    with pytest.raises(MisuseError, match=r"pytorch_model.bin .* is a pickle, .* allow_pickle=True"):
        load_model(folder)


@old_releases.reads_no_pickles
def test_pickled_weights_are_read_where_that_is_allowed(folder: Path, pair: tuple[Any, Any]) -> None:
    (folder / "model.safetensors").unlink()
    torch.save(pair[0].state_dict(), folder / "pytorch_model.bin")
    assert load_model(folder, allow_pickle=True, device="cpu").module.num_parameters() == pair[0].num_parameters()


def test_code_in_a_checkpoint_is_not_run(folder: Path) -> None:
    config = folder / "config.json"
    config.write_text(
        config.read_text().replace(
            '"model_type": "llama"', '"model_type": "own", "auto_map": {"AutoConfig": "own.Own"}'
        )
    )
    (folder / "own.py").write_text("raise SystemExit('the code of the checkpoint ran')")
    with pytest.raises(MisuseError, match="could not load"):
        load_model(folder)


def test_a_tokenizer_larger_than_the_model_is_refused(pair: tuple[Any, Any]) -> None:
    tokenizer = AutoTokenizer.from_pretrained(TINY)
    tokenizer.add_tokens(["<extra>"])
    with pytest.raises(MisuseError, match="the tokenizer has 2049 entries, but LlamaForCausalLM embeds only 2048"):
        as_language_model((pair[0], tokenizer))


@pytest.mark.parametrize(("dtype", "stored"), [("auto", torch.float32), ("bfloat16", torch.bfloat16)])
def test_dtype_is_chosen(dtype: Any, stored: torch.dtype) -> None:
    assert load_model("tiny-decoder", device="cpu", dtype=dtype).module.dtype is stored


def test_an_unknown_dtype_is_refused() -> None:
    with pytest.raises(MisuseError, match="dtype 'int3': expected auto"):
        load_model("tiny-decoder", dtype="int3")  # type: ignore[arg-type]


def test_progress_bars_of_the_library_are_left_as_they_were() -> None:
    from transformers.utils import logging

    assert logging.is_progress_bar_enabled()
    load_model("tiny-decoder", device="cpu")
    assert logging.is_progress_bar_enabled()


@pytest.mark.parametrize(("dtype", "stored"), [("auto", torch.float32), ("bfloat16", torch.bfloat16)])
def test_a_transformer_of_ours_is_loaded_from_its_folder(dtype: Any, stored: torch.dtype, tmp_path: Path) -> None:
    own = fresh_model("encoder")
    assert isinstance(own, CoreMaskedModel)
    save(own.core.bfloat16(), tmp_path / "mine")
    own.tokenizer.save_pretrained(tmp_path / "mine")
    model = load_model(tmp_path / "mine", device="cpu", dtype=dtype)
    assert isinstance(model, CoreMaskedModel)
    assert (model.name, model.module.dtype) == ("mine", stored)  # on the CPU in float32, whatever the file has
    assert model.core.config == own.core.config
    assert torch.equal(model.core.body.embedding.tokens.weight.bfloat16(), own.core.body.embedding.tokens.weight)
