"""The whole way with the harness itself: it measures a real model and writes its samples; ours finds no change. `make slow`."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_llm import assert_no_regression
from pytest_llm.command.main import main
from pytest_llm.models.transformers_model import TransformersModel
from tests.baselines.importing.rows import OPENINGS, RADIO


def logged_by_the_harness(model: TransformersModel, folder: Path) -> dict[str, Path]:
    """What lm-eval writes with `--log_samples` of multiple choice and of rolling log-likelihoods, by task."""
    import datasets
    from lm_eval import simple_evaluate
    from lm_eval.api.task import ConfigurableTask
    from lm_eval.loggers import EvaluationTracker
    from lm_eval.models.huggingface import HFLM

    def task(name: str, rows: list[dict[str, object]], metrics: list[str], **config: str) -> ConfigurableTask:
        data = {"custom_dataset": lambda **_: {"test": datasets.Dataset.from_list(rows)}, "test_split": "test"}
        named = [{"metric": metric} for metric in metrics]
        return ConfigurableTask(
            config={"task": name, **data, "metric_list": named, "metadata": {"version": 1}, **config}
        )

    choose = {"output_type": "multiple_choice", "doc_to_text": "Question: {{text}}\nAnswer:"}
    tasks = [
        task("radio", RADIO, ["acc", "acc_norm"], **choose, doc_to_choice="{{choices}}", doc_to_target="{{target}}"),
        task(
            "openings",
            OPENINGS,
            ["word_perplexity", "bits_per_byte"],
            output_type="loglikelihood_rolling",
            doc_to_text="",
            doc_to_target="{{text}}",
        ),
    ]
    harness = HFLM(pretrained=model.module, tokenizer=model.tokenizer, batch_size=1)
    results = simple_evaluate(harness, tasks=tasks, log_samples=True, bootstrap_iters=0)
    samples = results.pop("samples")
    tracker = EvaluationTracker(output_path=str(folder))
    tracker.save_results_aggregated(results=results, samples=samples)
    for name, of_task in samples.items():
        tracker.save_results_samples(task_name=name, samples=of_task)
    return {name: next(folder.rglob(f"samples_{name}_*.jsonl")) for name in samples}


def check(model: TransformersModel, folder: Path) -> None:
    paths = logged_by_the_harness(model, folder)
    for task, rows, metrics in (
        ("radio", RADIO, ("acc", "acc_norm")),
        ("openings", OPENINGS, ("word_perplexity", "bits_per_byte")),
    ):
        for metric in metrics:
            made = folder / f"{metric}.json"
            assert main(["baseline", "import", str(paths[task]), "--metric", metric, "--out", str(made)]) == 0
            assert_no_regression(model, rows, metric, baseline=made, estimand="dataset", tolerance="0.01%")


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # the harness warns of its own future
def test_of_a_small_model(tiny: TransformersModel, tmp_path: Path) -> None:
    pytest.importorskip("lm_eval")
    check(tiny, tmp_path)


@pytest.mark.slow
@pytest.mark.smollm2
@pytest.mark.filterwarnings("default")
def test_of_a_real_model(smollm2: TransformersModel, tmp_path: Path) -> None:
    pytest.importorskip("lm_eval")
    check(smollm2, tmp_path)
