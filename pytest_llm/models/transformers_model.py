"""A causal language model of the `transformers` library."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
import torch

from pytest_llm.data.provenance import Provenance
from pytest_llm.errors import MisuseError
from pytest_llm.models.fingerprint import fingerprint
from pytest_llm.models.language_model import Window
from pytest_llm.models.linear_kernels import fastest_linears
from pytest_llm.models.packed import CannotPack, scores_packed
from pytest_llm.statistics.jackknife import FloatArray

logger = logging.getLogger(__name__)

DEFAULT_MAX_LENGTH = 2048
"""For models without a stated context length, as lm-evaluation-harness assumes."""
TOKENS_PER_BATCH = 4096
_ROWS_PER_TILE = 1024

_PROBE_LENGTHS = (24, 7, 41, 2)
# Mean differences in nats that rounding explains; attention across windows changes the probe by tenths of a nat.
_PROBE_TOLERANCES = {torch.float32: 1e-4, torch.bfloat16: 0.05, torch.float16: 0.01}

# Names under which configurations state the context length.
_LENGTH_KEYS = ("max_position_embeddings", "n_positions", "n_ctx", "max_seq_len", "seq_length")


class TransformersModel:
    """A `(model, tokenizer)` pair as a `WindowedModel`.

    Args:
        module: a causal model of `transformers`; it is put into evaluation mode.
        tokenizer: its tokenizer, with no more entries than the model has embeddings.
        name: how reports call it.

    Raises:
        MisuseError: the tokenizer's vocabulary exceeds the model's.
    """

    def __init__(self, module: Any, tokenizer: Any, *, name: str | None = None) -> None:
        self.module = module.eval()
        self.tokenizer = tokenizer
        self.name = name or type(module).__name__
        self._cannot_pack: str | None = None  # not asked yet; then the reason, empty if it can
        rows = module.get_input_embeddings().weight.shape[0]
        if len(tokenizer) > rows:
            raise MisuseError(
                f"the tokenizer has {len(tokenizer)} entries, but {self.name} embeds only {rows}: "
                f"they do not belong together (or resize_token_embeddings was forgotten)"
            )

    @property
    def device(self) -> torch.device:
        return torch.device(self.module.get_input_embeddings().weight.device)

    @property
    def provenance(self) -> Provenance:
        kind = type(self.module).__name__
        size = f"{self.module.num_parameters() / 1e6:.4g} M parameters"
        title = f"{self.name} ({kind}, {size})" if self.name != kind else f"{kind} ({size})"
        return Provenance(title, str(self.module.dtype).removeprefix("torch."), str(self.device))

    @property
    def max_length(self) -> int:
        config = self.module.config.get_text_config()
        for key in _LENGTH_KEYS:
            length = getattr(config, key, None)
            if isinstance(length, int) and length > 0:
                return length
        return DEFAULT_MAX_LENGTH

    @property
    def prefix_token(self) -> int | None:
        bos, eos = self.tokenizer.bos_token_id, self.tokenizer.eos_token_id
        prefix: int | None = eos if bos is None else bos
        return prefix

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        # verbose=False: a text longer than the context is no mistake here, it is cut into windows
        encoded = self.tokenizer(list(texts), add_special_tokens=False, verbose=False)["input_ids"]
        return [list(map(int, tokens)) for tokens in encoded]

    def score_windows(self, windows: Sequence[Window]) -> list[FloatArray]:
        """The log-probabilities of the scored tokens of each window; packed where this model can be packed."""
        with fastest_linears(self.module):
            scores = self._score(windows)
        flat = torch.cat(scores).double().cpu().numpy()  # one transfer for all
        return np.split(flat, np.cumsum([window.scored for window in windows])[:-1])

    def _score(self, windows: Sequence[Window]) -> list[torch.Tensor]:
        if self._cannot_pack is None:
            self._cannot_pack = reason_not_to_pack(self.module)
            if self._cannot_pack:
                logger.info("%s is scored in batches, not packed: %s", self.name, self._cannot_pack)
        if not self._cannot_pack:
            try:
                return scores_packed(self.module, windows)
            except CannotPack as error:  # a window longer than the probe can ask for more than the probe did
                self._cannot_pack = str(error)
                logger.info("%s is scored in batches from here on, not packed: %s", self.name, error)
        return scores_in_batches(self.module, windows)

    def fingerprint(self) -> Hashable | None:
        """Changes with anything that changes the model's answers; None where that cannot be told."""
        return fingerprint(self.module, self.tokenizer)


@torch.inference_mode()
def scores_in_batches(module: Any, windows: Sequence[Window]) -> list[torch.Tensor]:
    """The plain path: windows of one length together, so that no batch is padded, and the model's own logits."""
    by_length: dict[int, list[int]] = defaultdict(list)
    for index, window in enumerate(windows):
        by_length[len(window.tokens)].append(index)
    answers: dict[int, torch.Tensor] = {}
    for length in sorted(by_length, reverse=True):  # the longest first: what does not fit in memory fails at once
        size = max(1, TOKENS_PER_BATCH // length)
        indices = by_length[length]
        for batch in (indices[start : start + size] for start in range(0, len(indices), size)):
            tokens = torch.tensor([windows[index].tokens for index in batch], device=module.device)
            logits = module(tokens[:, :-1], use_cache=False).logits
            for index, row, targets in zip(batch, logits, tokens[:, 1:], strict=True):
                scored = windows[index].scored
                answers[index] = target_log_probs(row[-scored:], targets[-scored:])
    return [answers[index] for index in range(len(windows))]


def reason_not_to_pack(module: Any) -> str:
    """Score a probe both ways; empty if they agree.

    The probe's windows differ in length and their tokens are spread over the vocabulary, so that attention across windows,
    positions that run on, or logits that are scaled after the head show.
    """
    vocabulary = module.get_input_embeddings().weight.shape[0]
    probe = [
        Window(tuple((7919 * (position + 31 * length)) % vocabulary for position in range(length)), length - 1)
        for length in _PROBE_LENGTHS
    ]
    try:
        packed = torch.cat(scores_packed(module, probe))
    except (CannotPack, TypeError, AttributeError, RuntimeError, ValueError) as error:
        return f"{type(error).__name__}: {error}"
    difference = float((packed - torch.cat(scores_in_batches(module, probe))).abs().mean())
    allowed = _PROBE_TOLERANCES.get(module.dtype, 0.0)
    if difference <= allowed:
        return ""
    return f"on a probe its log-probabilities differ by {difference:.2g} on average, {allowed:g} would be rounding"


def target_log_probs(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """`log softmax(logits)[target]` of each row: `[rows, vocabulary]`, `[rows]` to `[rows]`.

    In float32 whatever the logits' type (half precision would lose two digits of every probability), a tile of rows
    at a time, so that the float32 copy of a long window's logits never exists as a whole.
    """
    tiles = []
    for start in range(0, len(targets), _ROWS_PER_TILE):
        tile = logits[start : start + _ROWS_PER_TILE].float()
        chosen = tile.gather(1, targets[start : start + _ROWS_PER_TILE, None])[:, 0]
        tiles.append(chosen - tile.logsumexp(dim=1))
    return torch.cat(tiles)
