"""What every `(model, tokenizer)` pair of `transformers` has in common, whatever the model predicts."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from pytest_llm.data.provenance import Identity, Provenance
from pytest_llm.errors import MisuseError
from pytest_llm.models.cache_key import cache_key
from pytest_llm.models.fingerprint import fingerprint
from pytest_llm.models.identity import identity
from pytest_llm.models.memory import Budget, budget_for
from pytest_llm.models.origin import Origin
from pytest_llm.models.placement import device_of, devices_of

DEFAULT_MAX_LENGTH = 2048
"""For models without a stated context length, as lm-evaluation-harness assumes."""

# Names under which configurations state the context length.
LENGTH_KEYS = ("max_position_embeddings", "n_positions", "n_ctx", "max_seq_len", "seq_length")


@dataclass(frozen=True, slots=True)
class Framed:
    """The tokens of a text between the special tokens that its tokenizer puts around them."""

    before: tuple[int, ...]
    tokens: tuple[int, ...]
    after: tuple[int, ...]
    words: tuple[int | None, ...] | None
    """For each of `tokens` the number of its word; None where the tokenizer does not know words (it is no fast one)."""

    @property
    def whole(self) -> tuple[int, ...]:
        return self.before + self.tokens + self.after


class Checkpoint:
    """A model and its tokenizer.

    Args:
        module: a model of `transformers`; it is put into evaluation mode.
        tokenizer: its tokenizer, with no more entries than the model has embeddings.
        name: how reports call it.

    Raises:
        MisuseError: the tokenizer's vocabulary exceeds the model's.
    """

    def __init__(self, module: Any, tokenizer: Any, *, name: str | None = None) -> None:
        self.module = module.eval()
        self.tokenizer = tokenizer
        self.name = name or type(module).__name__
        self.origin: Origin | None = None
        """How it was loaded, if `load_model` did."""
        self._budget: Budget | None = None
        rows = module.get_input_embeddings().weight.shape[0]
        if len(tokenizer) > rows:
            raise MisuseError(
                f"the tokenizer has {len(tokenizer)} entries, but {self.name} embeds only {rows}: "
                f"they do not belong together (or resize_token_embeddings was forgotten)"
            )

    @property
    def device(self) -> torch.device:
        return device_of(self.module)

    @property
    def provenance(self) -> Provenance:
        kind = self.module._get_name()  # of its class, unless it stands for another module
        spread = ", ".join(devices_of(self.module))
        # of weights that are fetched when needed nobody knows which are tied
        size = f"spread over {spread}" if spread else f"{self.module.num_parameters() / 1e6:.4g} M parameters"
        title = f"{self.name} ({kind}, {size})" if self.name != kind else f"{kind} ({size})"
        return Provenance(title, str(self.module.dtype).removeprefix("torch."), str(self.device))

    @property
    def max_length(self) -> int:
        """How many tokens the model can read at once, special tokens included."""
        return stated_length(self.module.config.get_text_config(), LENGTH_KEYS) or DEFAULT_MAX_LENGTH

    @property
    def budget(self) -> Budget:
        """How many tokens are read at once; chosen when the model is first used: memory may be full by then."""
        if self._budget is None:
            self._budget = budget_for(self.module)
        return self._budget

    def fingerprint(self) -> Hashable | None:
        """Changes with anything that changes the model's answers; None where that cannot be told."""
        return fingerprint(self.module, self.tokenizer)

    def cache_key(self) -> str | None:
        """The same in every process for a model that gives the same answers; None where that cannot be told in full."""
        return cache_key(self)

    def identity(self) -> Identity:
        """Digests of weights and tokenizer, the same in every process."""
        return identity(self.module, self.tokenizer)

    def framed(self, texts: Sequence[str], *, as_target: bool = False) -> list[Framed]:
        """The tokens of each text, and the special tokens that the tokenizer puts around them.

        Args:
            texts: any number of texts.
            as_target: encode them as what a sequence-to-sequence model writes, where the tokenizer tells the two apart.

        Raises:
            MisuseError: a text that cannot be encoded; a lone surrogate is the usual one.
        """
        if not texts:
            return []
        try:
            encoded = self._tokenize(list(texts), as_target)
        except (UnicodeError, TypeError) as error:
            for text in texts:  # one at a time, to name the culprit
                try:
                    self._tokenize([text], as_target)
                except (UnicodeError, TypeError):
                    raise MisuseError(f"the text {text[:40]!r} cannot be tokenized: {error}") from None
            raise
        fast = getattr(self.tokenizer, "is_fast", False)
        return [
            _framed(ids, mask, encoded.word_ids(index) if fast else None)
            for index, (ids, mask) in enumerate(
                zip(encoded["input_ids"], encoded["special_tokens_mask"], strict=True),
            )
        ]

    def _tokenize(self, texts: list[str], as_target: bool) -> Any:
        # verbose=False: what a text longer than the context means is for the caller to say
        which = {"text_target": texts} if as_target else {"text": texts}
        return self.tokenizer(**which, return_special_tokens_mask=True, verbose=False)


def stated_length(config: Any, keys: Sequence[str]) -> int | None:
    """The first of these numbers of tokens that a configuration states."""
    for key in keys:
        length = getattr(config, key, None)
        if isinstance(length, int) and length > 0:
            return length
    return None


def usable_positions(module: Any, length: int) -> int:
    """How many of a model's positions a text can take: RoBERTa and its kin count them from the padding token's number on."""
    for name, part in module.named_modules():
        if name.endswith("position_embeddings") and getattr(part, "num_embeddings", 0) == length:
            return length if part.padding_idx is None else length - part.padding_idx - 1
    return length


def _framed(ids: Sequence[int], mask: Sequence[int], words: Sequence[int | None] | None) -> Framed:
    """Split off the special tokens at both ends; the mask marks those that the tokenizer added, not those in the text."""
    first = next((index for index, special in enumerate(mask) if not special), len(ids))
    last = next((index for index in range(len(ids), first, -1) if not mask[index - 1]), first)
    tokens = tuple(map(int, ids))
    own_words = None if words is None else tuple(words[first:last])
    return Framed(tokens[:first], tokens[first:last], tokens[last:], own_words)
