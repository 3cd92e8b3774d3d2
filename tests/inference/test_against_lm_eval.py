"""The same log-likelihoods as lm-evaluation-harness on the same model and texts, long ones included. `make slow`."""

from __future__ import annotations

import numpy as np
import pytest

from pytest_llm import embedded, load_examples, measure
from pytest_llm.models.transformers_model import TransformersModel
from tests.tiny_checkpoints import TEXTS, tiny_t5


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # the harness warns of its own future
def test_log_likelihoods_and_metrics_are_those_of_lm_eval(tiny: TransformersModel) -> None:
    pytest.importorskip("lm_eval")
    from lm_eval.api.instance import Instance
    from lm_eval.api.metrics import bits_per_byte, weighted_perplexity
    from lm_eval.models.huggingface import HFLM

    harness = HFLM(pretrained=tiny.module, tokenizer=tiny.tokenizer, batch_size=1)
    data = embedded("data/northanger_abbey.jsonl")
    texts = [example.text for example in load_examples(data)][:6]
    requests = [Instance("loglikelihood_rolling", {}, (text,), index) for index, text in enumerate(texts)]
    expected = harness.loglikelihood_rolling(requests)

    ours = measure(tiny, texts, "perplexity")
    assert -ours.statistics[:, 0] == pytest.approx(np.array(expected), rel=1e-6)
    assert measure(tiny, texts, "word_perplexity").value == pytest.approx(
        weighted_perplexity([(value, len(text.split())) for value, text in zip(expected, texts, strict=True)]), rel=1e-6
    )
    bytes_of = [(value, len(text.encode())) for value, text in zip(expected, texts, strict=True)]
    assert measure(tiny, texts, "byte_perplexity").value == pytest.approx(weighted_perplexity(bytes_of), rel=1e-6)
    assert measure(tiny, texts, "bits_per_byte").value == pytest.approx(bits_per_byte(bytes_of), rel=1e-6)


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_targets_of_t5_have_the_log_likelihood_of_the_harness() -> None:
    pytest.importorskip("lm_eval")
    from lm_eval.api.instance import Instance
    from lm_eval.models.huggingface import HFLM

    module, tokenizer = tiny_t5()
    pairs = [(TEXTS[0], TEXTS[3]), (TEXTS[1], TEXTS[2]), (TEXTS[0], TEXTS[4])]
    harness = HFLM(pretrained=module, tokenizer=tokenizer, backend="seq2seq", batch_size=1)
    expected = harness.loglikelihood([Instance("loglikelihood", {}, pair, n) for n, pair in enumerate(pairs)])
    rows = [{"text": source, "target": target} for source, target in pairs]
    ours = measure((module, tokenizer), rows, "conditional_perplexity", score_eos=False)
    assert -ours.statistics[:, 0] == pytest.approx(np.array([value for value, _ in expected]), rel=1e-5)
