"""How large a model is: in parameters, in memory, on disk; tensor by tensor and file by file, so that a report can name them.

Tied weights are one tensor. What a quantised layer packs into one object is counted by the tensors inside.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pytest_llm.errors import MisuseError

if TYPE_CHECKING:
    import torch

_WEIGHTS = ("*.safetensors", "*.gguf"), ("*.bin", "*.pt", "*.pth")
"""Suffixes of files with weights; the later ones count only where the earlier are absent, as when loading."""


def parameters(model: object) -> dict[str, int]:
    """How many numbers each tensor of a model's parameters has, by name.

    Raises:
        MisuseError: the model has no module whose parameters could be counted, or they are fetched when they are needed.
    """
    module = module_of(model)
    if hasattr(module, "hf_device_map") and any(
        tensor.is_meta for tensor in module.parameters()
    ):  # then tied ones are two
        raise MisuseError(
            "the parameters of a model whose weights are not in memory (device_map) cannot be counted: load it on one device"
        )
    own = {id(tensor) for tensor in module_of(model).buffers()}
    return {name: _count(tensor) for name, tensor in _tensors(module_of(model)) if id(tensor) not in own}


def in_memory(model: object, place: Literal["host", "device"] | None = None) -> dict[str, int]:
    """How many bytes each tensor of a model takes, parameters and buffers, by name; only those in `place` if one is given.

    Raises:
        MisuseError: the model has no module whose tensors could be counted.
    """
    sizes = {}
    seen = set()
    for name, tensor in _tensors(module_of(model)):
        if (
            tensor.device.type == "meta"
        ):  # not there: it was never loaded, or is brought from elsewhere when it is needed
            continue
        where = "host" if tensor.device.type == "cpu" else "device"
        storage = tensor.untyped_storage()
        key = (tensor.device, storage.data_ptr())
        if place in (None, where) and key not in seen:
            seen.add(key)
            sizes[name] = storage.nbytes()
    return sizes


def bytes_in_memory(model: object, place: Literal["host", "device"]) -> int:
    """What all tensors of a model take together; 0 of an object that has none to be seen."""
    return sum(in_memory(model, place).values()) if hasattr(model, "module") else 0


def on_disk(source: Path) -> dict[str, int]:
    """The bytes of each file with weights in a checkpoint, by name; of the file itself, where one is given.

    Raises:
        MisuseError: no such file or folder, or a folder without weights.
    """
    if source.is_file():
        return {source.name: source.stat().st_size}
    for patterns in _WEIGHTS:
        files = sorted({file for pattern in patterns for file in source.glob(pattern)})
        if files:
            return {file.name: file.stat().st_size for file in files}
    raise MisuseError(
        f"no weights (*.safetensors, *.gguf, *.bin) at {str(source)!r}: give the checkpoint's folder or file"
    )


def source_of(model: object) -> Path:
    """The folder or file that a model was loaded from.

    Raises:
        MisuseError: it does not say, or came from no folder.
    """
    folder = Path(getattr(module_of(model), "name_or_path", None) or "?")
    file = folder / str(getattr(model, "name", ""))
    if file.suffix == ".gguf" and file.is_file():
        return file
    if not folder.is_dir():
        raise MisuseError(
            f"{getattr(model, 'name', type(model).__name__)} does not say which folder it is from: give its path"
        )
    return folder


def module_of(model: object) -> Any:
    """The torch module of a model.

    Raises:
        MisuseError: there is none.
    """
    module = getattr(model, "module", None)
    if module is None or not hasattr(module, "named_parameters"):
        raise MisuseError(
            f"{type(model).__name__} has no torch module whose tensors could be counted: give a path, a hub id or a "
            f"(model, tokenizer) pair, or let its attribute module be one"
        )
    return module


def _tensors(module: Any) -> Iterator[tuple[str, torch.Tensor]]:
    """Parameters, buffers (those too that are not saved), and what quantised layers hide in their state, each once."""
    seen = set()
    state = module.state_dict(keep_vars=True)
    for name, value in [*module.named_parameters(), *module.named_buffers(), *_flat(state)]:
        if id(value) not in seen:
            seen.add(id(value))
            yield name, value


def _flat(state: Mapping[str, Any]) -> Iterator[tuple[str, torch.Tensor]]:
    import torch

    for name, value in state.items():
        for place, part in enumerate(value if isinstance(value, tuple) else (value,)):
            if isinstance(part, torch.Tensor):
                yield (f"{name}.{place}" if isinstance(value, tuple) else name), part


def _count(tensor: torch.Tensor) -> int:
    if type(tensor).__name__ == "Params4bit":  # bitsandbytes keeps two numbers in a byte
        return tensor.numel() * 2 * tensor.element_size()
    return tensor.numel()
