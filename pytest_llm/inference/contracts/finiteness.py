"""Finite logits: numbers, from one token to the edge of the context."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from pytest_llm.errors import MisuseError
from pytest_llm.inference.contracts.subject import Reading, random_sequence
from pytest_llm.judging.contract import Case, Examination, Tolerance
from pytest_llm.models.network import Network
from pytest_llm.wording import counted, snippet

CONTRACT, KEPT = "finite_logits", "finite"
_SEEN = 256
"""Of a long text the logits of so many last positions are looked at where a model can leave the others out: they need memory."""


def finiteness(network: Network, length: int | None, texts: Sequence[str] | None = None) -> Examination:
    """Count the logits that are NaN or infinite, of 1, 2 and the most tokens that the model says it can read; or of texts.

    An error at some length breaks the contract too: a model has to read as many tokens as it says.
    """
    edge = length if length is not None else network.max_length
    if edge is None:
        raise MisuseError(f"{network.name} does not say how many tokens it can read: give length=")
    if not isinstance(edge, int) or edge < 1:
        raise MisuseError(f"length={edge!r}: expected at least 1 token")
    lengths = sorted({1, min(2, edge), edge})
    sequences = [random_sequence(network, count) for count in lengths] if texts is None else _read(network, texts, edge)
    cases = [_case(network, sequence, edge) for sequence in sequences]
    return Examination(
        CONTRACT,
        KEPT,
        tuple(cases),
        Tolerance(0.0, "a logit is a number or it is not", "each has to be a number"),
        f"random tokens, {', '.join(map(str, lengths))} of them" if texts is None else f"{len(texts)} texts",
        network.provenance,
        f"{CONTRACT}|length:{edge}",
        next((place for place, case in enumerate(cases) if case.difference), None),  # the shortest text
        (),
        "positions must reach as far as the stated context; weights that overflow float16 are the usual cause of NaN",
    )


def _read(network: Network, texts: Sequence[str], edge: int) -> list[Reading]:
    """Texts as tokens, as far as the model reads."""
    if not texts or isinstance(texts, str) or not all(isinstance(text, str) for text in texts):
        raise MisuseError(f"texts={texts!r}: expected at least one text, in a list")
    if network.tokenizer is None:
        raise MisuseError(f"texts were given, but {network.name} has no tokenizer: give the pair (model, tokenizer)")
    encoded = [list(network.tokenizer(text, verbose=False)["input_ids"])[:edge] for text in texts]
    return [
        Reading(f"text {place}", torch.tensor(tokens, dtype=torch.long, device=network.device), text)
        for place, (text, tokens) in enumerate(zip(texts, encoded, strict=True), 1)
    ]


def _case(network: Network, sequence: Reading, edge: int) -> Case:
    count = len(sequence)
    if not count:
        return Case(sequence.name, 0.0, "an empty text has no logits", sequence.text)
    of = (
        f"of {snippet(sequence.text)}"
        if sequence.text
        else f"of {counted(count, 'token')}{', the edge of the context,' * (count == edge)}"
    )
    name = sequence.name if sequence.text else counted(count, "token")
    keep: dict[str, Any] = {"logits_to_keep": _SEEN} if network.takes("logits_to_keep") and count > _SEEN else {}
    try:
        logits = network.read(sequence.tokens[None], **keep)[0]
    except (IndexError, RuntimeError, ValueError) as error:
        reason = next(iter(str(error).splitlines()), "")
        return Case(name, float("inf"), f"reading a text {of} raises {type(error).__name__}: {reason}", sequence.text)
    broken = ~logits.isfinite()
    positions = broken.any(dim=1).nonzero()
    if not len(positions):
        return Case(name, 0.0, f"all logits {of} are finite", sequence.text)
    first = int(positions[0]) + count - logits.shape[0]
    many = int(broken.sum())
    are = "logit {} is" if many == 1 else "logits {} are"
    what = "no number" if bool(logits.isnan().any()) else "infinite"
    return Case(name, float(many), f"{many} {are.format(of)} {what}, first at position {first}", sequence.text)
