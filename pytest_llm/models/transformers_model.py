"""A causal language model of the `transformers` library."""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
import torch

from pytest_llm.errors import MisuseError
from pytest_llm.models.checkpoint import Checkpoint
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
from pytest_llm.models.encoding import Tokens, encode_pair, encode_prompt, encode_texts, vocabulary_hash
from pytest_llm.models.fingerprint import structure
from pytest_llm.models.language_model import Window
from pytest_llm.models.packed import distributions_packed, scores_packed
from pytest_llm.models.packed_attention import CannotPack
from pytest_llm.models.packing_probe import reason_not_to_pack
from pytest_llm.models.plain import distributions_alone, scores_in_batches
from pytest_llm.models.smoothness import worst_divergences
from pytest_llm.statistics.jackknife import FloatArray
from pytest_llm.tasks.decoding import Decoding
from pytest_llm.tasks.perturb import Per, Perturb

logger = logging.getLogger(__name__)

Answer = TypeVar("Answer")


class TransformersModel(Checkpoint):
    """A `(model, tokenizer)` pair as a `WindowedModel`.

    Args:
        module: a causal model of `transformers`; it is put into evaluation mode.
        tokenizer: its tokenizer, with no more entries than the model has embeddings.
        name: how reports call it.

    Raises:
        MisuseError: the tokenizer's vocabulary exceeds the model's.
    """

    def __init__(self, module: Any, tokenizer: Any, *, name: str | None = None) -> None:
        super().__init__(module, tokenizer, name=name)
        self._probed: tuple[Hashable, str] | None = None  # what the model was made of, and why it cannot be packed
        self._said: set[str] = set()

    def __getstate__(self) -> dict[str, Any]:
        """Without the probe, which another process has to make for itself."""
        return {**vars(self), "_probed": None}

    @property
    def prefix_token(self) -> int | None:
        bos, eos = self.tokenizer.bos_token_id, self.tokenizer.eos_token_id
        prefix: int | None = eos if bos is None else bos
        return prefix

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        return encode_texts(self.tokenizer, texts)

    def tokenizer_hash(self) -> str:
        """Changes with the vocabulary: what a token's number stands for."""
        return vocabulary_hash(self.tokenizer)

    def score_windows(self, windows: Sequence[Window]) -> list[FloatArray]:
        """The log-probabilities of the scored tokens of each window; packed where this model can be packed."""
        if not windows:
            return []
        scores = self._packed_or_plain(
            lambda: scores_packed(self.module, windows, self.budget),
            lambda: scores_in_batches(self.module, windows, self.budget),
        )
        flat = torch.cat(scores).double().cpu().numpy()  # one transfer for all
        return np.split(flat, np.cumsum([window.scored for window in windows])[:-1])

    def _packed_or_plain(self, packed: Callable[[], Answer], plain: Callable[[], Answer]) -> Answer:
        if not self._reason_not_to_pack():
            try:
                return packed()
            except CannotPack as error:  # a text longer than the probe can ask for more than the probe did
                self._say(str(error))
        return plain()

    def _reason_not_to_pack(self) -> str:
        made_of = structure(self.module)  # a hook that is set later can look at places in a row
        if self._probed is None or self._probed[0] != made_of:
            self._probed = made_of, reason_not_to_pack(self.module, self.max_length)
            if self._probed[1]:
                self._say(self._probed[1])
        return self._probed[1]

    def _say(self, reason: str) -> None:
        if reason not in self._said:
            self._said.add(reason)
            logger.info("%s is asked in batches, not packed: %s", self.name, reason)

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

    def generate(self, prompts: Sequence[str], decoding: Decoding) -> list[str]:
        """The text that follows each prompt; many at once where this model can be packed, else one after the other.

        Raises:
            MisuseError: an empty prompt, or one that leaves no room for `max_tokens` in the context.
        """
        if not prompts:
            return []
        encoded = [self._encode_prompt(prompt, decoding) for prompt in prompts]
        ends = end_tokens(self.module, self.tokenizer)

        def alone() -> list[list[int]]:
            return [generate_alone(self.module, prompt, decoding, self.decode, ends) for prompt in encoded]

        def together() -> list[list[int]]:
            return write_texts(
                self.module,
                encoded,
                max_tokens=decoding.max_tokens,
                choose=Sampler(decoding) if decoding.temperature > 0 else greedy,
                is_finished=stopper(decoding.stop, ends, self.decode),
                budget=self.budget,
            )

        own_way = decoding.beams > 1 or changed_logits(self.module.generation_config)
        written = alone() if own_way else self._packed_or_plain(together, alone)
        return [self._text(tokens, decoding, ends) for tokens in written]

    def write_alone(self, prompt: str, decoding: Decoding, listen: Callable[[], None] | None = None) -> str:
        """The text that follows one prompt, by the model's own `generate`: what somebody who asks once would wait for.

        Args:
            prompt: one text.
            decoding: how many tokens at most, where to stop, greedy or at random.
            listen: called as soon as each token is known, the end token too.

        Raises:
            MisuseError: as `generate`.
        """
        ends = end_tokens(self.module, self.tokenizer)
        tokens = self._encode_prompt(prompt, decoding)
        return self._text(generate_alone(self.module, tokens, decoding, self.decode, ends, listen), decoding, ends)

    def prompt_length(self, prompt: str) -> int:
        """How many tokens a prompt has, with the special tokens that its tokenizer puts in front."""
        return len(encode_prompt(self.tokenizer, prompt))

    def _encode_prompt(self, prompt: str, decoding: Decoding) -> Tokens:
        tokens = encode_prompt(self.tokenizer, prompt)
        if not tokens:
            raise MisuseError("a prompt is empty, and the tokenizer has no BOS to begin with")
        if len(tokens) + decoding.max_tokens > self.max_length:
            raise MisuseError(
                f"the prompt {prompt[:40]!r}… has {len(tokens)} tokens, which with max_tokens={decoding.max_tokens} is more "
                f"than the {self.max_length} that {self.name} can read: shorten it, or lower max_tokens"
            )
        return tokens

    def next_token_log_probs(self, windows: Sequence[Window]) -> list[torch.Tensor]:
        """For each window, `[scored, vocabulary]`: the whole distributions that its scored tokens were drawn from.

        A window of 256 tokens takes 50 MB at a vocabulary of 49 152: ask for a few windows at a time.
        """
        if not windows:
            return []
        return self._packed_or_plain(
            lambda: distributions_packed(self.module, windows, self.budget),
            lambda: distributions_alone(self.module, windows),
        )

    def embedding_divergence(
        self, texts: Sequence[str], *, epsilon: float, steps: int, per: Per, seed: int
    ) -> list[float]:
        """How far what is expected behind each text moves with its embeddings, at worst; see `models.smoothness`.

        Raises:
            MisuseError: a text without tokens, or longer than the context.
        """
        begin = () if self.prefix_token is None else (self.prefix_token,)
        tokens = [(*begin, *own) for own in self.encode(texts)]
        for text, own in zip(texts, tokens, strict=True):
            if not len(begin) < len(own) <= self.max_length:
                raise MisuseError(
                    f"the text {text[:40]!r} has {len(own)} tokens: expected some, and at most {self.max_length}"
                )
        return worst_divergences(self.module, tokens, lambda logits: logits[:, -1], Perturb(epsilon, steps, per, seed))

    def chat_prompt(self, messages: Sequence[Mapping[str, str]]) -> str | None:
        """The turns of a chat as the tokenizer's template writes them, up to where the answer begins; None without a template."""
        if self.tokenizer.chat_template is None:
            return None
        prompt: str = self.tokenizer.apply_chat_template(list(messages), tokenize=False, add_generation_prompt=True)
        return prompt

    def decode(self, tokens: Sequence[int]) -> str:
        """The text of tokens; special tokens are left out."""
        text: str = self.tokenizer.decode(tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return text

    def _text(self, tokens: Sequence[int], decoding: Decoding, ends: frozenset[int]) -> str:
        end = next((place for place, token in enumerate(tokens) if token in ends), len(tokens))
        text = self.decode(tokens[:end])
        cut = cut_at(text, decoding.stop)
        return text if cut is None else cut
