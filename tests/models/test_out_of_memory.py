"""Memory that runs out once costs half of the batch and no answer, however a model is asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from pytest_llm.models.classifier_model import ClassifierModel
from pytest_llm.models.embedding_model import EmbeddingModel
from pytest_llm.models.encoder_decoder_model import EncoderDecoderModel
from pytest_llm.models.masked_model import MaskedModel
from pytest_llm.models.memory import Budget
from pytest_llm.models.tagger_model import TaggerModel
from pytest_llm.models.transformers_model import TransformersModel
from pytest_llm.tasks.decoding import Decoding
from tests.tiny_checkpoints import headless, tiny_bert, tiny_classifier, tiny_llama, tiny_t5, tiny_tagger

TEXTS = [f"{number} {'the cat sat on ' * (1 + number % 3)}mat" for number in range(12)]

KINDS: dict[str, tuple[Callable[[], Any], Callable[[Any], Any]]] = {
    "causal": (lambda: TransformersModel(*tiny_llama()), lambda m: m.score_pairs([(t, " so") for t in TEXTS])),
    "writing": (lambda: TransformersModel(*tiny_llama()), lambda m: m.generate(TEXTS, Decoding(max_tokens=8))),
    "masked": (lambda: MaskedModel(*tiny_bert()), lambda m: m.pseudo_log_probs(TEXTS)),
    "encoder-decoder": (
        lambda: EncoderDecoderModel(*tiny_t5()),
        lambda m: m.score_pairs([(text, text[::-1]) for text in TEXTS]),
    ),
    "encoder": (lambda: EmbeddingModel(*headless(tiny_bert)), lambda m: m.embed(TEXTS)),
    "classifier": (
        lambda: ClassifierModel(*tiny_classifier()),
        lambda m: [list(a.values()) for a in m.classify(TEXTS)],
    ),
    "tagger": (lambda: TaggerModel(*tiny_tagger()), lambda m: m.extract(TEXTS)),
}


class Memory:
    """Runs out when embeddings are looked up for the time of that number."""

    def __init__(self, module: Any) -> None:
        self.calls = 0
        self.runs_out_in: int | None = None
        for part in module.modules():
            if isinstance(part, torch.nn.Embedding):
                part.register_forward_pre_hook(self._before)

    def _before(self, *_: object) -> None:
        self.calls += 1
        if self.calls == self.runs_out_in:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")


@pytest.mark.parametrize("kind", KINDS)
def test_half_as_much_is_read_and_all_is_answered(kind: str) -> None:
    make, ask = KINDS[kind]
    model = make()
    memory = Memory(model.module)
    expected = ask(model)  # with it what is looked at once, such as whether the model can be packed
    model._budget = Budget(256)
    memory.calls, memory.runs_out_in = 0, 2  # amid the work: what is done before is not lost
    found = ask(model)
    assert model.budget.tokens == 128
    assert memory.calls > 2
    if kind in ("writing", "tagger"):
        assert found == expected
    else:
        for own, other in zip(found, expected, strict=True):
            np.testing.assert_allclose(
                np.concatenate([*map(np.ravel, own)]), np.concatenate([*map(np.ravel, other)]), atol=1e-5
            )
