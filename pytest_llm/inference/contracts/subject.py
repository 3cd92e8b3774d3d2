"""What a contract is examined on: a network, what it is given to read, and how much rounding is allowed for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from pytest_llm.data.embedded import embedded
from pytest_llm.data.loading import load_examples
from pytest_llm.errors import MisuseError
from pytest_llm.inference.contracts.rounding import measured_tolerance
from pytest_llm.judging.contract import EQUAL, Case, Examination, Tolerance
from pytest_llm.models.network import Network, Reads, as_network
from pytest_llm.wording import counted

LENGTH = 32
"""Tokens of each sequence, unless a contract is told otherwise."""
SEED = 0


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """Tokens to be read, and what they are."""

    name: str
    tokens: torch.Tensor
    """`[length]`."""
    text: str = ""

    def __len__(self) -> int:
        return self.tokens.shape[0]


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """A network and what it is given to read."""

    network: Network
    sequences: tuple[Reading, ...]
    tolerance: Tolerance

    @property
    def data(self) -> str:
        lengths = sorted({len(sequence) for sequence in self.sequences})
        stretch = f"{lengths[0]}" if len(lengths) == 1 else f"{lengths[0]} to {lengths[-1]}"
        count = len(self.sequences)
        return f"{counted(count, 'sequence')} of {stretch} tokens ({', '.join(s.name for s in self.sequences)})"

    def signature(self, contract: str, *parts: str) -> str:
        """What was done, in one line."""
        return "|".join([contract, *parts, f"dtype:{str(self.network.dtype).removeprefix('torch.')}"])

    def examination(
        self,
        contract: str,
        kept: str,
        cases: Sequence[Case],
        remedy: str,
        *,
        settings: Sequence[str] = (),
        tolerance: Tolerance | None = None,
        culprit: int | None = None,
        located: Sequence[tuple[str, str]] = (),
    ) -> Examination:
        """What the cases of a contract showed of this network; see `Examination`.

        Args:
            contract: its name.
            kept: what a model is that keeps it.
            cases: the comparisons.
            remedy: what to do if it is broken.
            settings: parts of the signature, besides the contract's name and the type.
            tolerance: another one than the subject's.
            culprit: the case that the first line names.
            located: where the difference begins.
        """
        return Examination(
            contract,
            kept,
            tuple(cases),
            self.tolerance if tolerance is None else tolerance,
            self.data,
            self.network.provenance,
            self.signature(contract, *settings),
            culprit,
            tuple(located),
            remedy,
        )


def subject(
    model: Any,
    *,
    texts: Sequence[str] | None = None,
    ids: Sequence[Sequence[int]] | None = None,
    length: int | None = None,
    tolerance: float | None = None,
    reads: Reads = "target",
) -> Subject:
    """Take whatever an assertion was given; `reads` says which text of an encoder-decoder is meant.

    Raises:
        MisuseError: nothing that shows its logits, texts without a tokenizer, ids that are none, a tolerance that makes no sense.
    """
    network = as_network(model, reads=reads)
    if tolerance is not None and not (isinstance(tolerance, float | int) and 0 <= tolerance < float("inf")):
        raise MisuseError(f"tolerance={tolerance!r}: expected a finite number, at least 0")
    read = sequences(network, texts, ids, _length(network, length))
    if tolerance is not None:
        return Subject(network, read, Tolerance(float(tolerance), "given") if tolerance else EQUAL)
    return Subject(network, read, measured_tolerance(network, batches(read)))


def _length(network: Network, length: int | None) -> int:
    most = network.max_length
    if length is None:
        return LENGTH if most is None else min(LENGTH, most)
    if not isinstance(length, int) or length < 2:
        raise MisuseError(f"length={length!r}: expected at least 2 tokens")
    if most is not None and length > most:
        raise MisuseError(f"length={length} is more than the {most} tokens that {network.name} can read")
    return length


def sequences(
    network: Network, texts: Sequence[str] | None, ids: Sequence[Sequence[int]] | None, length: int
) -> tuple[Reading, ...]:
    """What is read: what was given; else random tokens, and where there is a tokenizer the opening of a shipped text.

    Random tokens lead the model where no text does; a text has what they lack: repetition, common tokens, special ones.
    """
    given = [*_of_ids(network, ids or (), length), *_of_texts(network, texts or (), length)]
    if given:
        return tuple(given)
    if network.tokenizer is None:
        return random_sequence(network, length, 0), random_sequence(network, length, 1)
    shipped = load_examples(embedded("data/held_out.jsonl"))[0].text
    return *_of_texts(network, [shipped], length), random_sequence(network, length)


def batches(sequences_: Sequence[Reading]) -> list[torch.Tensor]:
    """The tokens of all of them, those of one length in one batch."""
    of_length: dict[int, list[torch.Tensor]] = defaultdict(list)
    for sequence in sequences_:
        of_length[len(sequence)].append(sequence.tokens)
    return [torch.stack(rows) for rows in of_length.values()]


def random_sequence(network: Network, length: int, place: int = 0) -> Reading:
    """Tokens that follow no rule, none of them special; the same ones each time."""
    random = torch.Generator().manual_seed(SEED + place)
    usual = torch.ones(network.vocabulary)
    usual[[token for token in network.special_tokens if token < network.vocabulary]] = 0
    drawn = usual.multinomial(length, replacement=True, generator=random)
    return Reading(f"random {place + 1}", drawn.to(network.device))


def _of_texts(network: Network, texts: Sequence[str], length: int) -> list[Reading]:
    if not texts:
        return []
    if isinstance(texts, str) or not all(isinstance(text, str) for text in texts):
        raise MisuseError(f"texts={texts!r}: expected a list of texts")
    if network.tokenizer is None:
        raise MisuseError(
            f"texts were given, but {network.name} has no tokenizer: give the pair (model, tokenizer), or ids"
        )
    found = []
    for place, text in enumerate(texts):
        tokens = list(network.tokenizer(text, verbose=False)["input_ids"])[:length]
        if len(tokens) < 2:
            raise MisuseError(f"the text {text[:40]!r} has {len(tokens)} tokens; a contract takes at least 2")
        found.append(Reading(f"text {place + 1}", torch.tensor(tokens, device=network.device), text))
    return found


def _of_ids(network: Network, ids: Sequence[Sequence[int]], length: int) -> list[Reading]:
    found = []
    for place, tokens in enumerate(ids):
        row = torch.as_tensor(tokens)
        if row.dim() != 1 or row.shape[0] < 2 or row.is_floating_point():
            raise MisuseError(f"ids[{place}]={tokens!r}: expected at least 2 token ids")
        if int(row.min()) < 0 or int(row.max()) >= network.vocabulary:
            raise MisuseError(f"ids[{place}] has a token outside the vocabulary, 0 to {network.vocabulary - 1}")
        found.append(Reading(f"ids {place + 1}", row.long()[:length].to(network.device)))
    return found
