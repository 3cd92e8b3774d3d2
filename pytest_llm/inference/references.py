"""Ask a reference model once, and keep of its distributions what a divergence needs (`data.stored_reference`)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from pytest_llm.data.example import Example, fingerprint
from pytest_llm.data.loading import Data, load_examples
from pytest_llm.data.stored_reference import SUFFIX, StoredReference, StoredText, token_hash
from pytest_llm.errors import MisuseError
from pytest_llm.inference.comparing import tokenizer_hash
from pytest_llm.inference.distributions import chosen_length, distribution_model, distributions, texts_of
from pytest_llm.inference.engine import Engine, using
from pytest_llm.inference.token_divergence import compacted
from pytest_llm.models.language_model import DistributionModel, provenance
from pytest_llm.models.loading import Model, as_language_model
from pytest_llm.tasks.compare import check_window

TOP_K = 256


def save_reference(
    model: Model,
    data: Data,
    path: str | Path,
    *,
    top_k: int = TOP_K,
    max_length: int | None = None,
    engine: Engine | None = None,
) -> Path:
    """Ask a reference model about texts, and write what it said to a file that stands in its place in assertions.

    `assert_mean_kld_below(model, data, limit, reference=path)` then needs the reference model no more: not its memory, not its
    time. The file can lie beside the tests; it holds hashes of the texts, not the texts.

    *What is kept.* At each token the `top_k` most probable tokens with their log-probabilities (float16), what all others have
    together, and the log-probability of the token that stands in the text (both float32). `same_top`, `rms_delta_p` and
    `perplexity_ratio` come out as with the model itself. The divergences `mean_kld`, `median_kld`, `kld_p99`, `max_kld` come out as
    lower bounds, because all tokens that were not kept are compared as one (log-sum inequality); the README of
    tests/benchmarks has by how much, measured.

    Args:
        model: the reference: the path or hub id of a causal model, or a `(model, tokenizer)` pair.
        data: texts; see `measure`. An assertion may use a part of them.
        path: where to write, ending in ".safetensors"; a file that is there is replaced, whole or not at all.
        top_k: how many log-probabilities are kept of each token; the whole vocabulary if it has no more.
        max_length: longest window in tokens; None: 512, or the model's context if it is shorter.
        engine: how the model is asked.

    Returns:
        The path.

    Raises:
        MisuseError: (a ValueError) a model without next-token distributions or with NaN in them, data or settings that make no
            sense.

    Example:
        >>> save_reference("my-org/my-model", "held_out.jsonl", "tests/my-model.safetensors")  # doctest: +SKIP
    """
    target = _checked_path(path)
    if isinstance(top_k, bool) or not isinstance(top_k, int) or top_k < 1:
        raise MisuseError(f"top_k={top_k!r}: expected a whole number of tokens, at least 1")
    check_window(max_length)
    examples = load_examples(data)
    asked = as_language_model(model)
    reference = distribution_model(asked)
    length = chosen_length(reference.max_length, max_length)
    with using(engine):
        stored = _asked(reference, examples, top_k, length, str(provenance(asked)))
    stored.write(target)
    return target


def _checked_path(path: str | Path) -> Path:
    target = Path(path).expanduser()
    if target.suffix != SUFFIX:
        raise MisuseError(
            f"path={str(path)!r}: expected a file name that ends in {SUFFIX}, by which reference= knows it"
        )
    if target.is_dir():
        raise MisuseError(f"path={str(path)!r} is a folder: give the name of a file in it")
    return target


def _asked(
    model: DistributionModel, examples: Sequence[Example], top_k: int, length: int, named: str
) -> StoredReference:
    texts: dict[str, StoredText] = {}
    encoded = texts_of(model, examples)
    done = 0
    for example, tokens in encoded:
        texts[example.id] = StoredText(fingerprint(example.text), token_hash(tokens), done, len(tokens))
        done += len(tokens)
    parts: list[tuple[NDArray[Any], ...]] = []
    vocabulary = 0
    for stretches, answers in distributions(model, encoded, length):
        for stretch, log_probs in zip(stretches, answers, strict=True):
            if torch.isnan(log_probs).any():
                raise MisuseError(
                    f"the reference gives NaN for {stretch.example.label}: weights that overflow float16 are the usual cause (try "
                    f"dtype float32)"
                )
            vocabulary = log_probs.shape[1]
            parts.append(compacted(log_probs, stretch.tokens, min(top_k, vocabulary)))
    top, values, rest, log_prob = (np.concatenate(of_windows) for of_windows in zip(*parts, strict=True))
    prefix = model.prefix_token
    assert prefix is not None  # texts_of has looked
    known = tokenizer_hash(model)
    return StoredReference(named, vocabulary, prefix, length, known, texts, top, values, rest, log_prob)
