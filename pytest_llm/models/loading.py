"""From what people write (a path, a hub id, a GGUF file, a pair) to a model that can be measured.

Loading runs no code from the checkpoint: `trust_remote_code` is off, and pickled weights (`pytorch_model.bin`), which can
execute anything when they are read, are refused unless `allow_pickle` is given.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeVar

from pytest_llm.errors import MisuseError
from pytest_llm.models.checkpoint_files import check_folder
from pytest_llm.models.devices import choose_device, share_cores
from pytest_llm.models.endpoint.address import is_address
from pytest_llm.models.gguf_header import check_gguf
from pytest_llm.models.gguf_reading import read_once
from pytest_llm.models.kept import shelf
from pytest_llm.models.kinds import Kind, Pretrained, auto_class, kind_of, wrapped
from pytest_llm.models.language_model import (
    AnyModel,
    Classifier,
    ConditionalModel,
    Encoder,
    Extractor,
    GenerativeModel,
    LanguageModel,
    MaskedLanguageModel,
    PerturbableModel,
    WindowedModel,
)
from pytest_llm.models.origin import Origin
from pytest_llm.models.placement import DeviceMap, devices_of, spreading
from pytest_llm.models.recorded import RecordedModel
from pytest_llm.models.sources import MINILM_NAME, checkpoint_at
from pytest_llm.replaying import replaying
from pytest_llm.transformer.config import Config

if TYPE_CHECKING:
    from pytest_llm.models.core_model import CoreModel

Model: TypeAlias = "AnyModel | str | Path | tuple[Any, Any]"
Dtype: TypeAlias = Literal["auto", "float32", "bfloat16", "float16"]
Loaded = TypeVar("Loaded")


def as_language_model(model: Model) -> AnyModel:
    """Take whatever an assertion was given; strings and paths are loaded with the defaults of `load_model`, once a session."""
    if replaying() is not None:
        return RecordedModel()
    if isinstance(model, str | Path):
        kept = shelf()
        return load_model(model) if kept is None else kept.model(str(model))
    if isinstance(model, tuple):
        return _pair(model)
    if isinstance(model, WindowedModel | LanguageModel | ConditionalModel | MaskedLanguageModel):
        return model
    # a module of transformers has a generate of its own kind
    if hasattr(model, "get_input_embeddings") or _is_core(model):
        raise MisuseError(f"{type(model).__name__} came without its tokenizer: give the pair (model, tokenizer)")
    # after that: modules of transformers generate tokens, no texts
    if isinstance(model, GenerativeModel | Classifier | Encoder | Extractor | PerturbableModel):
        return model
    raise MisuseError(
        f"{type(model).__name__} is no language model: expected a path, a hub id, a (model, tokenizer) pair or an object "
        f"with a method score(texts) that returns the log-probability of each token of each text (or score_pairs, "
        f"pseudo_log_probs, generate, classify, embed, extract, embedding_divergence)"
    )


def load_model(
    source: str | Path,
    *,
    device: str = "auto",
    dtype: Dtype = "auto",
    device_map: DeviceMap | None = None,
    max_memory: Mapping[int | str, int | str] | None = None,
    trust_remote_code: bool = False,
    allow_pickle: bool = False,
) -> Pretrained:
    """Load a language model with `transformers`: causal, masked (BERT), encoder-decoder (T5), with a head for sequences or
    tokens, or an encoder without one, which embeds, as its configuration says. Folders that `transformer.weights.files.save`
    wrote are carried by the Transformer of this package.

    Args:
        source: a checkpoint folder, a `.gguf` file, a hub id, the name of a shipped model ("tiny-decoder", "tiny-encoder",
            "tiny-encoder-decoder"), "smollm2" or "minilm" (the extras of these names), or where a model is served:
            "http://host:port/v1#name" (see `Endpoint`).
        device: "auto" (this worker's GPU, else Apple's, else the CPU), "cpu", "cuda", "cuda:1", "mps".
        dtype: "auto" is float32 on the CPU and the checkpoint's own type on a GPU; or "float32", "bfloat16", "float16".
        device_map: spreads a model of `transformers` that is larger than one device over several, in the place of `device`: "auto"
            (all GPUs, then the host's memory, then the disk) and the other words of accelerate, or which part goes where. Then it
            is asked in plain batches, and what it answers is not kept on disk (nor, where weights are fetched from the host's
            memory or the disk when they are needed, for other tests). Needs the extra [accelerate].
        max_memory: what each of the devices may take, such as {0: "70GiB", "cpu": "200GiB"}; None: as much as is free.
        trust_remote_code: let the checkpoint bring its own Python code.
        allow_pickle: read pickled weights where there are no safetensors; only for files you trust like code.

    Raises:
        MisuseError: nothing there, no tokenizer, pickled weights, a tokenizer larger than the model, no such device.
    """
    if replaying() is not None:
        stand_in: Any = RecordedModel()
        return stand_in  # type: ignore[no-any-return]  # it is asked for nothing
    if is_address(source):
        return _served(str(source), dtype)  # type: ignore[no-any-return]  # asked for what a test needs, as all models are
    if dtype not in ("auto", "float32", "bfloat16", "float16"):
        raise MisuseError(f"dtype {dtype!r}: expected auto, float32, bfloat16 or float16")
    spread = spreading(device, device_map, max_memory)
    place = choose_device(device)
    path = checkpoint_at(str(source))
    model = _loaded(source, path, place, dtype, spread, trust_remote_code, allow_pickle)
    there = path is not None and Path(source).expanduser().exists()
    if not spread or not devices_of(model.module):
        model.origin = Origin(str(path if there else source), dtype, trust_remote_code, allow_pickle)
    return model


def _loaded(
    source: str | Path,
    path: Path | None,
    place: str,
    dtype: Dtype,
    spread: Mapping[str, Any],
    trust_remote_code: bool,
    allow_pickle: bool,
) -> Pretrained:
    options: dict[str, Any] = {"trust_remote_code": trust_remote_code}
    if path is None:
        origin, name = str(source), str(source)
    elif path.is_file():
        origin, name = str(path.parent), path.name
        options["gguf_file"] = path.name
        check_gguf(path)
    else:
        origin, name = str(path), MINILM_NAME if source == "minilm" else path.name
        check_folder(path, allow_pickle=allow_pickle)
        if (core := _core_of(path, place, dtype)) is not None:
            if spread:
                raise MisuseError(
                    f"{source} is carried by the Transformer of this package, on one device: leave device_map out"
                )
            return core

    with read_once() if "gguf_file" in options else nullcontext():
        return _of_transformers(str(source), origin, name, options, place, dtype, spread, allow_pickle)


def _served(url: str, dtype: str) -> Any:
    if dtype != "auto":
        raise MisuseError(f"dtype {dtype!r}: a served model has the type that its server gives it; leave dtype out")
    from pytest_llm.models.endpoint.endpoint import Endpoint

    return Endpoint(url)


def _of_transformers(
    source: str,
    origin: str,
    name: str,
    options: dict[str, Any],
    device: str,
    dtype: Dtype,
    spread: Mapping[str, Any],
    allow_pickle: bool,
) -> Pretrained:
    import torch
    from transformers import AutoConfig, AutoTokenizer

    tokenizer: Any = _load(f"the tokenizer of {source}", lambda: AutoTokenizer.from_pretrained(origin, **options))
    # of a GGUF file the configuration is not read by itself: they hold causal models
    kind: Kind = "causal"
    if "gguf_file" not in options:
        config: Any = _load(f"the configuration of {source}", lambda: AutoConfig.from_pretrained(origin, **options))
        kind = kind_of(config, config.architectures or ())
    if dtype == "auto":
        wanted: Any = torch.float32 if device == "cpu" else "auto"
    else:
        wanted = getattr(torch, dtype)
    if "gguf_file" not in options and not allow_pickle:
        options["use_safetensors"] = True
    options["output_loading_info"] = True
    module, found = _load(
        f"the model {source}", lambda: auto_class(kind).from_pretrained(origin, dtype=wanted, **options, **spread)
    )
    _refuse_random_weights(source, module, found)
    return wrapped(kind, module if spread else module.to(device), tokenizer, name, origin)


def _core_of(folder: Path, device: str, dtype: Dtype) -> CoreModel | None:
    """The Transformer of this package in a folder, if there is one."""
    from pytest_llm.transformer.weights.files import is_ours

    if not is_ours(folder):
        return None
    share_cores()
    from pytest_llm.models.core_model import load_core_model

    stored = "float32" if device == "cpu" else None
    return load_core_model(folder, device=device, dtype=stored if dtype == "auto" else dtype)


def _refuse_random_weights(source: str | Path, module: Any, found: dict[str, Any]) -> None:
    """`transformers` fills in what a checkpoint lacks with random numbers: an encoder without a head would get some number."""
    # an encoder's pooler is of the next-sentence task: embeddings are pooled from the last layer
    missing = sorted(key for key in found.get("missing_keys", ()) if not key.startswith("pooler."))
    if missing:
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        raise MisuseError(
            f"{source} has no weights for {', '.join(missing[:3])}{more}, which {type(module).__name__} needs; they would be "
            f"random: is it a checkpoint of another kind of model?"
        )


def _load(what: str, load: Callable[[], Loaded]) -> Loaded:
    """Turn the library's many ways to fail into one line; its own text stays readable behind it."""
    try:
        with quietly():
            return load()
    except Exception as error:  # a damaged file, a missing package, a class nobody knows: each library has its own type
        reason = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise MisuseError(f"could not load {what}: {reason}") from error


@contextmanager
def quietly() -> Iterator[None]:
    """Without the progress bars of `transformers`, which would stand in the captured output of every failed test."""
    from transformers.utils import logging as logging_module

    logging: Any = logging_module  # untyped
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


def _is_core(part: object) -> bool:
    """Whether it is a model of `pytest_llm.transformer`, found out without importing torch."""
    return isinstance(getattr(part, "config", None), Config)


def _pair(pair: tuple[Any, ...]) -> Pretrained | CoreModel:
    if len(pair) == 2 and _is_core(pair[0]) and callable(pair[1]):
        from pytest_llm.models.core_model import core_model

        return core_model(*pair)
    if len(pair) != 2 or not hasattr(pair[0], "get_input_embeddings") or not callable(pair[1]):
        kinds = ", ".join(type(part).__name__ for part in pair)
        raise MisuseError(f"expected a (model, tokenizer) pair, got ({kinds})")
    module, tokenizer = pair
    # an adapter's wrapper has a class of its own; what counts is the model in it
    base = module.get_base_model() if hasattr(module, "get_base_model") else module
    return wrapped(kind_of(module.config, [type(base).__name__]), module, tokenizer)
