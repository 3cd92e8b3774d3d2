"""A causal language model of the `transformers` library."""

from __future__ import annotations

import logging
from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
import torch

from pytest_llm.data.provenance import Provenance
from pytest_llm.errors import MisuseError
from pytest_llm.metrics.requests import Generate
from pytest_llm.models.continuous_batching import write_texts
from pytest_llm.models.decoding import (
    Sampler,
    changed_logits,
    cut_at,
    end_tokens,
    generate_alone,
    greedy,
    stopper,
)
from pytest_llm.models.encoding import Tokens, encode_pair, encode_prompt, encode_texts
from pytest_llm.models.fingerprint import fingerprint
from pytest_llm.models.language_model import Window
from pytest_llm.models.memory import Budget, budget_for
from pytest_llm.models.packed import distributions_packed, scores_packed
from pytest_llm.models.packed_attention import CannotPack
from pytest_llm.models.packing_probe import reason_not_to_pack
from pytest_llm.models.plain import distributions_alone, scores_in_batches
from pytest_llm.statistics.jackknife import FloatArray

logger = logging.getLogger(__name__)

DEFAULT_MAX_LENGTH = 2048
"""For models without a stated context length, as lm-evaluation-harness assumes."""

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
        self._budget: Budget | None = None  # chosen when the model is first used: memory may be full by then
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
        return encode_texts(self.tokenizer, texts)

    def score_windows(self, windows: Sequence[Window]) -> list[FloatArray]:
        """The log-probabilities of the scored tokens of each window; packed where this model can be packed."""
        flat = torch.cat(self._score(windows)).double().cpu().numpy()  # one transfer for all
        return np.split(flat, np.cumsum([window.scored for window in windows])[:-1])

    def _score(self, windows: Sequence[Window]) -> list[torch.Tensor]:
        if not self._reason_not_to_pack():
            try:
                return scores_packed(self.module, windows, self._memory())
            except CannotPack as error:  # a window longer than the probe can ask for more than the probe did
                self._cannot_pack = str(error)
                logger.info("%s is scored in batches from here on, not packed: %s", self.name, error)
        return scores_in_batches(self.module, windows, self._memory())

    def _reason_not_to_pack(self) -> str:
        if self._cannot_pack is None:
            self._cannot_pack = reason_not_to_pack(self.module)
            if self._cannot_pack:
                logger.info("%s is scored in batches, not packed: %s", self.name, self._cannot_pack)
        return self._cannot_pack

    def _memory(self) -> Budget:
        if self._budget is None:
            self._budget = budget_for(self.module)
        return self._budget

    def score_pairs(self, pairs: Sequence[tuple[str, str]]) -> list[FloatArray]:
        """The log-probabilities of the tokens of each continuation, given its context.

        Contexts that several continuations share, and beginnings that several contexts share, are read once.

        Raises:
            MisuseError: a pair that the model's context length has no room for: it would have to be cut.
        """
        windows = []
        for context, continuation in pairs:
            before, after = encode_pair(self.tokenizer, context, continuation, self.prefix_token)
            if len(before) + len(after) > self.max_length + 1:
                raise MisuseError(
                    f"the context {context[:40]!r}… and its continuation have {len(before) + len(after)} tokens, "
                    f"more than the {self.max_length} that {self.name} can read: shorten it, or use fewer shots"
                )
            windows.append(Window(before + after, len(after)))
        return self.score_windows(windows)

    def generate(self, prompts: Sequence[str], request: Generate) -> list[str]:
        """The text that follows each prompt; many at once where this model can be packed, else one after the other.

        Raises:
            MisuseError: an empty prompt, or one that leaves no room for `max_tokens` in the context.
        """
        encoded = [self._encode_prompt(prompt, request) for prompt in prompts]
        ends = end_tokens(self.module, self.tokenizer)
        if request.beams > 1 or changed_logits(self.module.generation_config) or self._reason_not_to_pack():
            written = [generate_alone(self.module, prompt, request, self.decode, ends) for prompt in encoded]
        else:
            written = write_texts(
                self.module,
                encoded,
                max_tokens=request.max_tokens,
                choose=Sampler(request) if request.temperature > 0 else greedy,
                is_finished=stopper(request.stop, ends, self.decode),
                budget=self._memory(),
            )
        return [self._text(tokens, request, ends) for tokens in written]

    def _encode_prompt(self, prompt: str, request: Generate) -> Tokens:
        tokens = encode_prompt(self.tokenizer, prompt)
        if not tokens:
            raise MisuseError("a prompt is empty, and the tokenizer has no BOS to begin with")
        if len(tokens) + request.max_tokens > self.max_length:
            raise MisuseError(
                f"the prompt {prompt[:40]!r}… has {len(tokens)} tokens, which with max_tokens={request.max_tokens} is more "
                f"than the {self.max_length} that {self.name} can read: shorten it, or lower max_tokens"
            )
        return tokens

    def next_token_log_probs(self, windows: Sequence[Window]) -> list[torch.Tensor]:
        """For each window, `[scored, vocabulary]`: the whole distributions that its scored tokens were drawn from.

        A window of 256 tokens takes 50 MB at a vocabulary of 49 152: ask for a few windows at a time.
        """
        if self._reason_not_to_pack():
            return distributions_alone(self.module, windows)
        return distributions_packed(self.module, windows, self._memory())

    def decode(self, tokens: Sequence[int]) -> str:
        """The text of tokens; special tokens are left out."""
        text: str = self.tokenizer.decode(tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return text

    def _text(self, tokens: Sequence[int], request: Generate, ends: frozenset[int]) -> str:
        end = next((place for place, token in enumerate(tokens) if token in ends), len(tokens))
        text = self.decode(tokens[:end])
        cut = cut_at(text, request.stop)
        return text if cut is None else cut

    def fingerprint(self) -> Hashable | None:
        """Changes with anything that changes the model's answers; None where that cannot be told."""
        return fingerprint(self.module, self.tokenizer)
