"""A reference model's next-token distributions in one file: what a divergence needs, without the reference model.

Of each token of each text the file holds the k most probable tokens with their log-probabilities (float16), the logarithm of what
all others have together (float32), and the log-probability of the token that stands in the text (float32): 4k + 8 bytes a token,
6k + 8 for vocabularies beyond 65 536. It is a safetensors file, which runs no code when it is read. Beside the numbers it says
what they were made of: hashes of the tokenizer, of each text and of its tokens, the window, the model. Whatever differs is
refused by name, and a checksum over everything tells a damaged file.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pytest_llm.data.example import Example, fingerprint
from pytest_llm.data.whole_file import write_whole
from pytest_llm.errors import MisuseError
from pytest_llm.storage.strict_json import parsed

SUFFIX: Final = ".safetensors"
KIND: Final = "pytest-llm reference"
VERSION: Final = "1"
_TENSORS = ("log_prob", "tail_log_prob", "top_log_probs", "top_tokens")
_AGAIN = "make it again with save_reference(model, data, path)"


@dataclass(frozen=True, slots=True)
class StoredText:
    """Of one text: what it was, and where its tokens stand."""

    text_hash: str
    token_hash: str
    first: int
    tokens: int


@dataclass(frozen=True, slots=True, eq=False)
class StoredReference:
    """What a reference model made of some texts. The arrays have a row for each token, texts one behind the other."""

    model: str
    """The reference model, in the words of a report."""
    vocabulary: int
    prefix_token: int
    max_length: int
    """The window in tokens that the texts were cut by."""
    tokenizer_hash: str | None
    """None for a model whose tokenizer has no vocabulary to be hashed."""
    texts: dict[str, StoredText]
    """By the id of the example."""
    top_tokens: NDArray[np.unsignedinteger[Any]]
    """`[tokens, k]`, most probable first."""
    top_log_probs: NDArray[np.float16]
    tail_log_prob: NDArray[np.float32]
    """`[tokens]`: the logarithm of the probability that all other tokens have together."""
    log_prob: NDArray[np.float32]
    """`[tokens]`: of the token that stands in the text."""
    name: str = "the reference"
    """The file's name."""

    @property
    def top_k(self) -> int:
        return int(self.top_tokens.shape[1])

    @property
    def form(self) -> str:
        """As a signature calls it."""
        return f"top-{self.top_k}"

    def __str__(self) -> str:
        kept = (
            f"{self.top_k} of {self.vocabulary} log-probabilities"
            if self.top_k < self.vocabulary
            else "all log-probabilities"
        )
        bound = "; KLD is a lower bound" if self.top_k < self.vocabulary else ""
        return f"{self.name}, {kept}, of {self.model}{bound}"

    def fingerprint(self) -> str:
        """SHA-256 of everything that is in it."""
        return _digest(_description(self), _tensors(self))

    def rows_of(self, example: Example, tokens: Sequence[int]) -> slice:
        """Where the example's tokens stand.

        Raises:
            MisuseError: the example is not there, or its text or its tokens are others.
        """
        stored = self.texts.get(example.id)
        if stored is None:
            raise MisuseError(
                f"{self.name} has nothing about example {example.label}: it was made of {len(self.texts)} other examples; {_AGAIN}"
            )
        if stored.text_hash != fingerprint(example.text):
            raise MisuseError(
                f"the text of example {example.label} is not the one that {self.name} was made of: if the new one "
                f"is meant, {_AGAIN}"
            )
        if (stored.tokens, stored.token_hash) != (len(tokens), token_hash(tokens)):
            raise MisuseError(
                f"the model cuts the text of {example.label} into different tokens ({len(tokens)}) than the model of {self.name} "
                f"({stored.tokens}): their distributions cannot be compared; byte_perplexity compares models with different "
                f"tokenizers"
            )
        return slice(stored.first, stored.first + stored.tokens)

    def write(self, path: Path) -> None:
        """Write the file whole or not at all: it takes its name only when it is complete."""
        from safetensors.numpy import save

        description, tensors = _description(self), _tensors(self)
        digest = _digest(description, tensors)
        content = save(tensors, {"kind": KIND, "version": VERSION, "description": description, "sha256": digest})
        write_whole(path, content)


def token_hash(tokens: Sequence[int]) -> str:
    """SHA-256 of token ids."""
    return hashlib.sha256(np.asarray(tokens, dtype="<i8").tobytes()).hexdigest()


def read_reference(path: Path) -> StoredReference:
    """Read what `save_reference` wrote.

    Raises:
        MisuseError: no such file, one of another kind or version, or a damaged one.
    """
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise MisuseError(f"no reference at {str(path)!r} (working directory: {Path.cwd()}): {_AGAIN}")
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            _refuse_other_files(path, metadata)
            tensors = {name: file.get_tensor(name) for name in _TENSORS}
        description = metadata["description"]
        if metadata["sha256"] != _digest(description, tensors):
            raise ValueError("its checksum is another one")
        return _restored(path.name, parsed(description), tensors)
    except MisuseError:
        raise
    except (SafetensorError, OSError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise MisuseError(f"the reference {str(path)!r} is damaged ({error}): {_AGAIN}") from error


def _refuse_other_files(path: Path, metadata: dict[str, str]) -> None:
    if metadata.get("kind") != KIND:
        raise MisuseError(
            f"{str(path)!r} was not written by save_reference; of a model's weights give the folder that they are in"
        )
    if metadata.get("version") != VERSION:
        raise MisuseError(
            f"the reference {str(path)!r} is of version {metadata.get('version')!r}, and this release reads version {VERSION!r}: "
            f"{_AGAIN}, or use the release that wrote it"
        )


def _restored(name: str, description: dict[str, Any], tensors: dict[str, Any]) -> StoredReference:
    texts, first = {}, 0
    for own_id, text, tokens, count in description.pop("texts"):
        texts[own_id] = StoredText(text, tokens, first, count)
        first += count
    found = StoredReference(**description, **tensors, texts=texts, name=name)
    rows = {len(tensors[of_tokens]) for of_tokens in _TENSORS}
    if rows != {first} or found.top_tokens.shape != found.top_log_probs.shape:
        raise ValueError(f"it is about {first} tokens, and its arrays have {', '.join(map(str, sorted(rows)))} rows")
    return found


def _description(reference: StoredReference) -> str:
    """All that is no array, as JSON."""
    names = ("model", "vocabulary", "prefix_token", "max_length", "tokenizer_hash")
    texts = [(own_id, text.text_hash, text.token_hash, text.tokens) for own_id, text in reference.texts.items()]
    return json.dumps({**{name: getattr(reference, name) for name in names}, "texts": texts})


def _tensors(reference: StoredReference) -> dict[str, NDArray[Any]]:
    return {name: np.ascontiguousarray(getattr(reference, name)) for name in _TENSORS}


def _digest(description: str, tensors: dict[str, NDArray[Any]]) -> str:
    digest = hashlib.sha256(description.encode())
    for name in _TENSORS:
        digest.update(f"{name} {tensors[name].dtype} {tensors[name].shape}".encode())
        digest.update(tensors[name].tobytes())
    return digest.hexdigest()
