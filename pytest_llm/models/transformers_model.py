"""A causal language model of the `transformers` library."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch

from pytest_llm.data.provenance import Provenance
from pytest_llm.errors import MisuseError
from pytest_llm.models.language_model import Window
from pytest_llm.statistics.jackknife import FloatArray

DEFAULT_MAX_LENGTH = 2048
"""For models without a stated context length, as lm-evaluation-harness assumes."""
TOKENS_PER_BATCH = 4096
_ROWS_PER_TILE = 1024

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

    def score_windows(self, windows: Sequence[Window]) -> Iterator[FloatArray]:
        """The log-probabilities of the scored tokens of each window; windows have one length, so nothing is padded."""
        rows = max(1, TOKENS_PER_BATCH // len(windows[0].tokens))
        for start in range(0, len(windows), rows):
            yield from self._score_batch(windows[start : start + rows])

    @torch.inference_mode()
    def _score_batch(self, windows: Sequence[Window]) -> list[FloatArray]:
        tokens = torch.tensor([window.tokens for window in windows], device=self.device)
        logits = self.module(tokens[:, :-1], use_cache=False).logits
        return [
            target_log_probs(row[-window.scored :], target[-window.scored :])
            for row, target, window in zip(logits, tokens[:, 1:], windows, strict=True)
        ]


def target_log_probs(logits: torch.Tensor, targets: torch.Tensor) -> FloatArray:
    """`log softmax(logits)[target]` of each row: `[rows, vocabulary]`, `[rows]` to `[rows]`.

    In float32 whatever the logits' type (half precision would lose two digits of every probability), a tile of rows
    at a time, so that the float32 copy of a long window's logits never exists as a whole.
    """
    tiles = []
    for start in range(0, len(targets), _ROWS_PER_TILE):
        tile = logits[start : start + _ROWS_PER_TILE].float()
        chosen = tile.gather(1, targets[start : start + _ROWS_PER_TILE, None])[:, 0]
        tiles.append(chosen - tile.logsumexp(dim=1))
    scored: FloatArray = torch.cat(tiles).double().cpu().numpy()
    return scored
