"""Determinism: the same tokens give the same logits, bit by bit, whatever was asked in between."""

from __future__ import annotations

from functools import partial

from pytest_llm.inference.contracts.differences import difference
from pytest_llm.inference.contracts.locating import first_layer
from pytest_llm.inference.contracts.subject import Subject, random_sequence
from pytest_llm.judging.contract import Case, Examination

CONTRACT, KEPT = "determinism", "deterministic"


def determinism(subject: Subject, repeats: int) -> Examination:
    """Ask again: at once, and after another text. The tolerance is that of the subject; 0 asks for the same bits."""
    network = subject.network
    cases: list[Case] = []
    located: tuple[tuple[str, str], ...] = ()
    for sequence in subject.sequences:
        tokens = sequence.tokens[None]
        first = network.read(tokens)[0]
        for repeat in range(1, repeats):
            if repeat % 2 == 0:
                network.read(random_sequence(network, len(sequence), 100 + repeat).tokens[None])
            apart = difference(first, network.read(tokens)[0])
            after = "after another text" if repeat % 2 == 0 else "at once"
            finding = f"{sequence.name}, asked again {after}, differs by {apart} at position {apart.position}"
            cases.append(Case(f"{sequence.name}, time {repeat + 1}, {after}", apart.amount, finding, sequence.text))
            if not located and not apart.amount <= subject.tolerance.amount:
                ask = partial(network.read, tokens)
                located = first_layer(network, ask, ask, lambda states: states[0])
    return subject.examination(
        CONTRACT,
        KEPT,
        cases,
        "model.eval() switches dropout off; on a GPU torch.use_deterministic_algorithms(True) names what adds in any order",
        settings=[f"repeats:{repeats}"],
        located=located,
    )
