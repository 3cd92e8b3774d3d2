"""Relations about probabilities, on the shipped decoder and against formulas."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from pytest_llm import Example, MisuseError
from pytest_llm.adversarial.relations.likelihood import BoundedDivergence, BoundedLoss
from pytest_llm.models.jensen_shannon import jensen_shannon
from pytest_llm.models.transformers_model import TransformersModel

EXAMPLE = Example("a", "She was not happy with", "#0", target=" the house of her sister")
EDITED = "She was not hapyp with"


def test_a_target_loses_the_mean_of_its_tokens(tiny: TransformersModel) -> None:
    relation = BoundedLoss(0.0)
    [clean] = relation.outputs(tiny, [EXAMPLE])
    [(loss, shown)] = relation.judged(tiny, [EXAMPLE], [clean], [EDITED])
    pairs = [(EXAMPLE.text, EXAMPLE.target), (EDITED, EXAMPLE.target)]
    before, after = (float(np.mean(scored)) for scored in tiny.score_pairs(pairs))
    assert loss == pytest.approx(before - after, abs=1e-5)
    assert shown["nats_per_token"] == pytest.approx(-after, abs=1e-5)
    [(unchanged, _)] = relation.judged(tiny, [EXAMPLE], [clean], [EXAMPLE.text])
    assert unchanged == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("target", [EXAMPLE.target, None])
def test_what_comes_next_is_compared_token_by_token(tiny: TransformersModel, target: str | None) -> None:
    example = Example("a", EXAMPLE.text, "#0", target=target)
    relation = BoundedDivergence(0.1)
    [clean] = relation.outputs(tiny, [example])
    (edited, shown), (same, _) = relation.judged(tiny, [example] * 2, [clean] * 2, [EDITED, example.text])

    def expected(text: str) -> torch.Tensor:
        prefix = [] if tiny.prefix_token is None else [tiny.prefix_token]
        before, after = tiny.encode([text])[0], tiny.encode([target])[0] if target else []
        with torch.no_grad():
            logits: torch.Tensor = tiny.module(torch.tensor([[*prefix, *before, *after]])).logits[0]
        return logits[len(prefix) + len(before) - 1 :][: max(1, len(after))].log_softmax(dim=-1)

    assert edited == pytest.approx(
        float(jensen_shannon(expected(example.text), expected(EDITED)).mean()) - 0.1, abs=1e-5
    )
    assert same == pytest.approx(-0.1, abs=1e-6)
    assert len(shown["tokens"]) == max(1, len(tiny.encode([target or ""])[0]))


@pytest.mark.parametrize("wrong", [-0.1, 0.7, math.nan])
def test_a_bound_that_nothing_can_exceed_is_refused(wrong: float) -> None:
    with pytest.raises(MisuseError, match="bound"):
        BoundedDivergence(wrong)


def test_a_distribution_that_is_no_number_breaks_it(tiny: TransformersModel) -> None:
    relation = BoundedDivergence(0.1)
    [clean] = relation.outputs(tiny, [EXAMPLE])
    [(loss, _)] = relation.judged(tiny, [EXAMPLE], [torch.full_like(clean, math.nan)], [EDITED])
    assert loss == math.inf
