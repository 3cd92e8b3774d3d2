"""An encoder-decoder of the `transformers` library (T5, BART, Marian, …): how probable a target is, given its source."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers.modeling_outputs import BaseModelOutput

from pytest_llm.errors import MisuseError
from pytest_llm.models.checkpoint import Checkpoint, Framed, stated_length
from pytest_llm.models.head_rows import HeadRows
from pytest_llm.models.linear_kernels import fastest_linears
from pytest_llm.models.plain import target_log_probs
from pytest_llm.statistics.jackknife import FloatArray

LOGITS_PER_BATCH = 2**27
"""Half a gigabyte in float32; a single target may exceed it."""


@dataclass(frozen=True, slots=True)
class _Target:
    """One target to decode."""

    index: int
    """Of its pair."""
    source: int
    """Of its source among the encoded ones."""
    labels: tuple[int, ...]
    """What the decoder predicts, one token after another."""
    given: int
    """So many of the first labels are given, not scored: the special tokens that every target begins with."""


class EncoderDecoderModel(Checkpoint):
    """A `(model, tokenizer)` pair as a `ConditionalModel`.

    Args:
        module: a sequence-to-sequence model of `transformers` (`AutoModelForSeq2SeqLM`); it is put into evaluation mode.
        tokenizer: its tokenizer, with no more entries than the model has embeddings.
        name: how reports call it.

    Raises:
        MisuseError: the tokenizer's vocabulary exceeds the model's, or the configuration does not say with which token
            decoding starts.
    """

    def __init__(self, module: Any, tokenizer: Any, *, name: str | None = None) -> None:
        super().__init__(module, tokenizer, name=name)
        self._head = HeadRows(module)
        if self.start_token is None:
            raise MisuseError(
                f"the configuration of {self.name} has no decoder_start_token_id, so the first target token cannot be "
                f"scored: set model.config.decoder_start_token_id as in training"
            )

    @property
    def max_length(self) -> int:
        """How many tokens a source may have, special tokens included."""
        return stated_length(self._config, ["max_encoder_position_embeddings"]) or super().max_length

    @property
    def max_target_length(self) -> int:
        """How many tokens a target may have, special tokens included."""
        return stated_length(self._config, ["max_decoder_position_embeddings"]) or super().max_length

    @property
    def _config(self) -> Any:
        return self.module.config

    @property
    def start_token(self) -> int | None:
        places = (self._config, getattr(self.module, "generation_config", None))
        found = (getattr(place, "decoder_start_token_id", None) for place in places)
        return next((token for token in found if token is not None), None)

    def fingerprint(self) -> Hashable | None:
        """Changes with anything that changes the model's answers, such as the languages that a tokenizer is set to."""
        own = super().fingerprint()
        around = self.framed([""]), self.framed([""], as_target=True)
        return None if own is None else (own, *(text.whole for (text,) in around), self.start_token)

    def score_pairs(self, pairs: Sequence[tuple[str, str]], *, score_eos: bool = True) -> list[FloatArray]:
        """For each (source, target) the log-probability of each target token, given the source and the target so far.

        The source is read with the special tokens that the tokenizer puts around it (T5: `… </s>`, BART: `<s> … </s>`). The
        decoder starts with `decoder_start_token_id`; special tokens that the tokenizer puts in front of a target (BART's
        `<s>`, a language code) are given to the decoder and not scored, as they are forced when the model generates.

        The end token is scored by default: then `exp` of the sum is the probability of exactly this target, not of all
        texts that begin with it; a model that has forgotten where to stop gets a worse number; and the mean is the loss
        that training reports (`model(input_ids, labels=labels).loss`; BART's counts `<s>` as well). Without it the
        numbers are those of lm-evaluation-harness's `loglikelihood` (which does not give the decoder BART's `<s>`).

        Each distinct source is encoded once, and its states serve all its targets.

        Args:
            pairs: source and target texts, neither with special tokens.
            score_eos: score the end token too, where the tokenizer appends one to a target.

        Returns:
            Natural logarithms from a float32 log-softmax, one array for each pair, in order.

        Raises:
            MisuseError: a source or target that is longer than the model can read (nothing is cut off), a target without
                tokens, a text that cannot be tokenized.
        """
        texts = list(dict.fromkeys(source for source, _ in pairs))
        sources = self.framed(texts)
        self._check_lengths(texts, [len(source.whole) for source in sources], "source", self.max_length)
        targets = self._targets(pairs, {text: index for index, text in enumerate(texts)}, score_eos)
        answers: dict[int, torch.Tensor] = {}

        def score_missing() -> None:
            missing = [target for target in targets if target.index not in answers]
            answers.update(self._decoded([source.whole for source in sources], missing))

        tokens = sum(len(source.whole) for source in sources) + sum(len(target.labels) for target in targets)
        with fastest_linears(self.module, tokens=tokens), torch.inference_mode():
            self.budget.run(score_missing)
        return [answers[index].double().cpu().numpy() for index in range(len(pairs))]

    def _targets(self, pairs: Sequence[tuple[str, str]], sources: dict[str, int], score_eos: bool) -> list[_Target]:
        texts = [target for _, target in pairs]
        framed = self.framed(texts, as_target=True)
        for (source, text), target in zip(pairs, framed, strict=True):
            if not target.tokens:
                raise MisuseError(f"the target {text[:40]!r} of the source {source[:40]!r} has no tokens to be scored")
        labels = [_labels(target, score_eos) for target in framed]
        self._check_lengths(texts, list(map(len, labels)), "target", self.max_target_length)
        return [
            _Target(index, sources[source], labels[index], len(framed[index].before))
            for index, (source, _) in enumerate(pairs)
        ]

    def _check_lengths(self, texts: Sequence[str], lengths: Sequence[int], what: str, most: int) -> None:
        for text, length in zip(texts, lengths, strict=True):
            if not length:
                raise MisuseError(f"the {what} {text[:40]!r} has no tokens")
            if length > most:
                raise MisuseError(
                    f"the {what} {text[:40]!r}… has {length} tokens, but {self.name} reads at most {most}: shorten it "
                    f"(nothing is cut off here, that would score another text)"
                )

    def _decoded(
        self, sources: Sequence[tuple[int, ...]], targets: Sequence[_Target]
    ) -> Iterator[tuple[int, torch.Tensor]]:
        """The index of each pair and its log-probabilities, source batch by source batch, the longest first."""
        of_source: dict[int, list[_Target]] = defaultdict(list)
        for target in targets:
            of_source[target.source].append(target)
        for batch in _batches(list(map(len, sources)), self.budget.tokens):
            tokens, mask = self._padded([sources[index] for index in batch])
            states = self.module.get_encoder()(input_ids=tokens, attention_mask=mask).last_hidden_state
            row_of = {source: row for row, source in enumerate(batch)}
            waiting = [target for source in batch for target in of_source[source]]
            most = max(1, LOGITS_PER_BATCH // self.module.get_input_embeddings().weight.shape[0])
            lengths = [len(target.labels) for target in waiting]
            for indices in _batches(lengths, self.budget.tokens, extra=tokens.shape[1], most=most):
                chosen = [waiting[index] for index in indices]
                rows = torch.tensor([row_of[target.source] for target in chosen], device=states.device)
                scores = self._scores(states[rows], mask[rows], chosen)
                yield from zip([target.index for target in chosen], scores, strict=True)

    def _scores(self, states: torch.Tensor, mask: torch.Tensor, targets: Sequence[_Target]) -> list[torch.Tensor]:
        # padding stands behind each target, where causal attention never looks from: it needs no mask
        start = self.start_token
        assert start is not None  # checked when the model was wrapped
        read, _ = self._padded([(start, *target.labels[:-1]) for target in targets])
        inputs = {
            "encoder_outputs": BaseModelOutput(last_hidden_state=states),
            "attention_mask": mask,
            "decoder_input_ids": read,
            "use_cache": False,
        }
        scored = [(row, position) for row, t in enumerate(targets) for position in range(t.given, len(t.labels))]
        sequences, positions = torch.tensor(scored, device=read.device).unbind(1)
        labels = torch.tensor([label for t in targets for label in t.labels[t.given :]], device=read.device)
        scores = target_log_probs(self._head.logits(sequences, positions, inputs), labels)
        return list(torch.split(scores, [len(target.labels) - target.given for target in targets]))

    def _padded(self, rows: Sequence[tuple[int, ...]]) -> tuple[torch.Tensor, torch.Tensor]:
        """Tokens and attention mask, `[rows, longest]`. Padding with the model's own token: some count positions without it."""
        longest = max(map(len, rows))
        pad = getattr(self._config, "pad_token_id", None)
        pad = (self.tokenizer.pad_token_id or 0) if pad is None else pad
        tokens = [[*row, *[pad] * (longest - len(row))] for row in rows]
        mask = [[1] * len(row) + [0] * (longest - len(row)) for row in rows]
        return torch.tensor(tokens, device=self.device), torch.tensor(mask, device=self.device)


def _labels(target: Framed, score_eos: bool) -> tuple[int, ...]:
    """What is predicted. Only the first token behind the text is its end; mBART puts a language code after it."""
    return target.before + target.tokens + (target.after[:1] if score_eos else ())


def _batches(lengths: Sequence[int], tokens: int, *, extra: int = 0, most: int | None = None) -> Iterator[list[int]]:
    """Indices of each batch: longest first, up to so many tokens once padded to the longest.

    Args:
        lengths: of all rows.
        tokens: of a batch; source tokens where sources are encoded, source and target tokens where targets are decoded.
        extra: tokens that each row brings along besides its own.
        most: a bound on the rows' own padded tokens alone.
    """
    order = sorted(range(len(lengths)), key=lambda index: -lengths[index])
    start = 0
    while start < len(order):
        longest = lengths[order[start]]
        size = tokens // (longest + extra)
        if most is not None:
            size = min(size, most // longest)
        yield order[start : start + max(1, size)]
        start += max(1, size)
