"""Multiple choice by the numbers of lm-evaluation-harness: the same model, questions, prompt and shots. `make slow`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from pytest_llm import Choose, Example, embedded, load_examples, measure
from pytest_llm.models.transformers_model import TransformersModel

QUESTIONS = load_examples(embedded("data/multiple_choice.jsonl"))


def harness_results(model: TransformersModel, questions: Sequence[Example], context: Any) -> list[dict[str, float]]:
    """What a task of the harness makes of its own log-likelihoods, question by question."""
    import datasets
    from lm_eval.api.instance import Instance
    from lm_eval.api.task import ConfigurableTask
    from lm_eval.models.huggingface import HFLM

    rows = [{"question": q.text, "choices": list(q.row["choices"]), "answer": q.target} for q in questions]
    task = ConfigurableTask(
        config={
            "task": "radio",
            "custom_dataset": lambda **_: {"test": datasets.Dataset.from_list(rows)},
            "test_split": "test",
            "output_type": "multiple_choice",
            "doc_to_text": "Question: {{question}}\nAnswer:",
            "doc_to_choice": "{{choices}}",
            "doc_to_target": "{{answer}}",
            "metric_list": [{"metric": name} for name in ("acc", "acc_norm", "acc_bytes")],
        }
    )
    harness = HFLM(pretrained=model.module, tokenizer=model.tokenizer, batch_size=1)
    results = []
    for question, row in zip(questions, rows, strict=True):
        requests = task.construct_requests(row, context(question))
        pairs = [Instance("loglikelihood", row, request.args, n) for n, request in enumerate(requests)]
        results.append(task.process_results(row, harness.loglikelihood(pairs, disable_tqdm=True)))
    return results


def check(model: TransformersModel, questions: Sequence[Example], task: Choose) -> None:
    expected = harness_results(model, questions, lambda question: task.prompt.text(question))  # type: ignore[union-attr]
    for name in ("acc", "acc_norm", "acc_bytes"):
        ours = measure(model, questions, name, task=task)
        assert ours.example_values.tolist() == [result[name] for result in expected]


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # the harness warns of its own future
def test_of_a_small_model_without_shots(tiny: TransformersModel) -> None:
    pytest.importorskip("lm_eval")
    check(tiny, QUESTIONS[::3], Choose())


@pytest.mark.slow
@pytest.mark.smollm2
@pytest.mark.filterwarnings("default")
def test_of_a_real_model_with_shots(smollm2: TransformersModel) -> None:
    pytest.importorskip("lm_eval")
    check(smollm2, QUESTIONS[::6], Choose())
    check(smollm2, QUESTIONS[::12], Choose(shots=QUESTIONS[1:3]))
