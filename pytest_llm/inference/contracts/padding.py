"""Padding invariance: padding, on either side and however much, changes no logit of the text beside it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

import torch

from pytest_llm.errors import MisuseError
from pytest_llm.inference.contracts.differences import difference, unsettled
from pytest_llm.inference.contracts.locating import Located, first_layer, looking
from pytest_llm.inference.contracts.subject import Reading, Subject
from pytest_llm.judging.contract import Case, Examination
from pytest_llm.models.network import Network
from pytest_llm.wording import counted

Side: TypeAlias = Literal["left", "right"]

CONTRACT, KEPT = "padding_invariance", "padding-invariant"
AMOUNTS = (1, 7)


def padding_invariance(
    subject: Subject, *, sides: Sequence[Side] | None = None, amounts: Sequence[int] = AMOUNTS
) -> Examination:
    """Read each sequence alone, and then padded in one batch with the others: its own logits must be the same.

    The sequences of a batch are cut to different lengths, so that each is padded by another amount.
    """
    network = subject.network
    chosen = tuple(sides) if sides is not None else default_sides(network)
    _check(network, chosen, amounts)
    if broken := unsettled(subject, CONTRACT, KEPT):
        return broken
    sequences = shortened(subject.sequences)
    alone = [network.read(sequence.tokens[None])[0] for sequence in sequences]
    cases: list[Case] = []
    located: Located = ()
    for side in chosen:
        for amount in amounts:
            tokens, mask = padded(network, sequences, side, amount)
            logits = network.read(tokens, mask)
            for row, sequence in enumerate(sequences):
                apart = difference(
                    alone[row], logits[row][mask[row]] if network.aligned else logits[row], subject.tolerance.amount
                )
                pads = int((~mask[row]).sum())
                finding = (
                    f"{counted(pads, 'pad')} on the {side} change{'s' * (pads == 1)} the logits of position "
                    f"{apart.position} of {sequence.name} by {apart}"
                )
                cases.append(Case(f"{sequence.name}, {pads} on the {side}", apart.amount, finding, sequence.text))
                if not located and not apart.amount <= subject.tolerance.amount:
                    located = _where(network, sequence, tokens, mask, row, apart.position)
    return subject.examination(
        CONTRACT,
        KEPT,
        cases,
        "mask the keys of padding in every layer, and count positions without it",
        settings=[f"sides:{'+'.join(chosen)}", f"amounts:{'+'.join(map(str, amounts))}"],
        located=located,
    )


def default_sides(network: Network) -> tuple[Side, ...]:
    """Both; of encoders of `transformers` only the right, since they count places from the beginning of the row."""
    return ("right",) if network.counts_places else ("left", "right")


def shortened(sequences: Sequence[Reading]) -> list[Reading]:
    """The same, each a token shorter than the one before, so that a batch of them has ragged ends."""
    return [
        Reading(sequence.name, sequence.tokens[: max(2, len(sequence) - place)], sequence.text)
        for place, sequence in enumerate(sequences)
    ]


def padded(
    network: Network, sequences: Sequence[Reading], side: Side, amount: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Tokens and mask `[sequences, longest + amount]`."""
    width = max(map(len, sequences)) + amount
    tokens = torch.full((len(sequences), width), network.padding, device=network.device)
    mask = torch.zeros_like(tokens, dtype=torch.bool)
    for row, sequence in enumerate(sequences):
        place = slice(width - len(sequence), None) if side == "left" else slice(None, len(sequence))
        tokens[row, place], mask[row, place] = sequence.tokens, True
    return tokens, mask


def _check(network: Network, sides: Sequence[str], amounts: Sequence[int]) -> None:
    if not sides or set(sides) - {"left", "right"}:
        raise MisuseError(f"sides={tuple(sides)!r}: expected 'left', 'right' or both")
    if not amounts or not all(isinstance(amount, int) and amount > 0 for amount in amounts):
        raise MisuseError(f"amounts={tuple(amounts)!r}: expected numbers of pads, at least 1")
    if network.mask_name is None:
        raise MisuseError(
            f"{network.name} takes no attention_mask (or mask), so padding cannot be told from text: give it one, or never pad"
        )


def _where(
    network: Network, sequence: Reading, tokens: torch.Tensor, mask: torch.Tensor, row: int, position: int
) -> Located:
    if not network.aligned:
        return ()
    place = int(mask[row].nonzero()[position])
    alone, one, its_mask = sequence.tokens[None], tokens[row : row + 1], mask[row : row + 1]
    where = first_layer(
        network,
        lambda: network.read(alone),
        lambda: network.read(one, its_mask),
        lambda states: states[0, position][None],
        lambda states: states[0, place][None],
    )
    pads: list[int] = (~its_mask[0]).nonzero()[:, 0].tolist()
    return (*where, *looking(network, one, its_mask, place, pads))
