"""Write the logs in this folder: lm-eval measures tiny-decoder on the rows of `../rows.py`, the others score the same answers.

    python tests/baselines/importing/data/make_logs.py lm-eval|lighteval|inspect

Each in an environment that has the harness and this package's dependencies. Nothing is fetched. What a harness wrote is kept as
it is, but for `pretty_env_info` in lm-eval's results, which describes a machine.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[4]))

from tests.baselines.importing.rows import NEXT_WORD, TASKS

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[3]
OFFLINE = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}

LM_EVAL: dict[str, dict[str, Any]] = {
    "radio": {
        "output_type": "multiple_choice",
        "doc_to_text": "Question: {{text}}\nAnswer:",
        "doc_to_choice": "{{choices}}",
        "doc_to_target": "{{target}}",
        "metric_list": [{"metric": name} for name in ("acc", "acc_norm", "acc_bytes")],
    },
    "openings": {
        "output_type": "loglikelihood_rolling",
        "doc_to_text": "",
        "doc_to_target": "{{text}}",
        "metric_list": [{"metric": name} for name in ("word_perplexity", "byte_perplexity", "bits_per_byte")],
    },
    "next_word": {
        "output_type": "generate_until",
        "doc_to_text": "{{text}}",
        "doc_to_target": "{{target}}",
        "generation_kwargs": {"until": ["\n"], "max_gen_toks": 4, "do_sample": False},
        "filter_list": [
            {
                "name": "first-word",
                "filter": [{"function": "regex", "regex_pattern": r"(\S+)"}, {"function": "take_first"}],
            },
            {"name": "whole", "filter": [{"function": "take_first"}]},
        ],
        "metric_list": [{"metric": name} for name in ("exact_match", "bleu", "chrf")],
    },
}

LIGHTEVAL = """
from lighteval.metrics.metrics import Metrics
from lighteval.tasks.lighteval_task import LightevalTaskConfig
from lighteval.tasks.requests import Doc

def radio(row, task_name=None):
    question = f"Question: {row['text']}\\nAnswer:"
    choices = [f" {choice}" for choice in row["choices"]]
    return Doc(task_name=task_name, query=question, choices=choices, gold_index=row["target"])

def openings(row, task_name=None):
    return Doc(task_name=task_name, query=row["text"], choices=[row["text"]], gold_index=0)

def next_word(row, task_name=None):
    return Doc(task_name=task_name, query=row["text"], choices=[row["target"]], gold_index=0)

def task(prompts, metrics, **more):
    return LightevalTaskConfig(
        name=prompts.__name__, prompt_function=prompts, hf_repo=f"./rows/{prompts.__name__}", hf_subset="default",
        hf_avail_splits=["test"], evaluation_splits=["test"], few_shots_split=None, few_shots_select=None,
        metrics=metrics, version=0, **more,
    )

TASKS_TABLE = [
    task(radio, [Metrics.loglikelihood_acc]),
    task(openings, [Metrics.word_perplexity, Metrics.byte_perplexity, Metrics.bits_per_byte]),
    task(next_word, [Metrics.exact_match, Metrics.bleu, Metrics.chrf], generation_size=4, stop_sequence=["\\n"]),
]
"""

ANSWERING = """
import json
from lighteval.models.abstract_model import LightevalModel
from lighteval.models.model_output import ModelResponse

class Answering(LightevalModel):
    tokenizer = None
    add_special_tokens = False
    max_length = 256

    def __init__(self, config):
        self.config, self.answers = config, json.load(open("answers.json"))
        self._cache = type("None", (), {"_init_registry": lambda self, registry: None})()

    def greedy_until(self, docs):
        return [ModelResponse(text=[self.answers["next_word"][doc.query]]) for doc in docs]

    def loglikelihood(self, docs):
        return [ModelResponse(logprobs=self.answers["radio"][doc.query]) for doc in docs]

    def loglikelihood_rolling(self, docs):
        return [ModelResponse(logprobs=self.answers["openings"][doc.query]) for doc in docs]
"""

OFFLINE_LIGHTEVAL = """
import huggingface_hub, nltk, requests
nltk.download = lambda *_, **__: True  # asked for at each BLEU, and not needed
requests.get = lambda *_, **__: type("Nothing", (), {"content": b""})  # the list of its tasks fetches data of some of them
huggingface_hub.HfApi.list_models = lambda *_, **__: [None]  # and asks for judges, by an argument that is no more
from lighteval.__main__ import app
app()
"""


def run(*command: str) -> None:
    subprocess.run(
        [str(Path(sys.executable).parent / command[0]), *command[1:]], check=True, env={**os.environ, **OFFLINE}
    )


def lm_eval() -> list[Path]:
    for name, task in LM_EVAL.items():
        data: dict[str, Any] = {
            "dataset_path": "json",
            "dataset_kwargs": {"data_files": {"test": f"rows/{name}/test.jsonl"}},
        }
        whole = {"task": name, **data, "test_split": "test", **task, "metadata": {"version": 1.0}}
        Path(f"{name}.yaml").write_text(json.dumps(whole))  # JSON is YAML
    arguments = (
        "--model hf --model_args pretrained=tiny-decoder,dtype=float32 --device cpu --batch_size 1 --log_samples"
    )
    run("lm_eval", *arguments.split(), "--tasks", ",".join(LM_EVAL), "--include_path", ".", "--output_path", "out")
    for results in Path("out").rglob("results_*.json"):
        content = json.loads(results.read_text())
        results.write_text(json.dumps({**content, "pretty_env_info": ""}, indent=1) + "\n")
    return [*Path("out").rglob("*.json*")]


def answers(task: str, filter_: str) -> dict[str, Any]:
    """What tiny-decoder answered to lm-eval, by prompt: a text, or the log-likelihood of each continuation."""
    (path,) = HERE.glob(f"samples_{task}_*.jsonl")
    found = {}
    for line in path.read_text().splitlines():
        sample = json.loads(line)
        given = sample["filtered_resps"]
        if sample["filter"] == filter_:
            numbers = [float(one[0] if isinstance(one, list) else one) for one in given if task != "next_word"]
            found[sample["arguments"]["gen_args_0"]["arg_0"]] = numbers or given[0]
    return found


def lighteval() -> list[Path]:
    """With tiny-decoder's answers to lm-eval: its own loop over choices of several lengths fails with transformers 5."""
    Path("tasks.py").write_text(LIGHTEVAL)
    Path("model.py").write_text(ANSWERING)
    filters = {"radio": "none", "openings": "none", "next_word": "first-word"}
    Path("answers.json").write_text(json.dumps({task: answers(task, name) for task, name in filters.items()}))
    tasks = ",".join(f"{name}|0" for name in TASKS)
    options = ["--custom-tasks", "tasks.py", "--save-details", "--output-dir", "out"]
    run("python", "-c", OFFLINE_LIGHTEVAL, "custom", "tiny-decoder", "model.py", tasks, *options)
    return [*Path("out").rglob("results_*.json"), *Path("out").rglob("*.parquet")]


def inspect() -> list[Path]:
    """What tiny-decoder wrote for lm-eval, scored by Inspect."""
    import inspect_ai
    from inspect_ai.dataset import MemoryDataset, Sample
    from inspect_ai.model import ModelAPI, ModelOutput, ModelUsage, modelapi
    from inspect_ai.scorer import exact, f1, match
    from inspect_ai.solver import generate

    written = answers("next_word", "first-word")

    @modelapi(name="written")  # type: ignore[untyped-decorator, unused-ignore]
    class Written(ModelAPI):  # type: ignore[misc, unused-ignore]
        async def generate(self, input: Any, **_: Any) -> Any:  # noqa: A002  # as it is called
            output = ModelOutput.from_content("tiny-decoder", written[input[-1].text])
            output.usage = ModelUsage(input_tokens=1, output_tokens=1, total_tokens=2)  # else a tokenizer is fetched
            return output

    samples = [Sample(id=row["id"], input=row["text"], target=row["target"]) for row in NEXT_WORD]
    scorers = [exact(), f1(), match(location="exact")]
    task = inspect_ai.Task(name="next_word", dataset=MemoryDataset(samples), solver=generate(), scorer=scorers)
    for kind in ("eval", "json"):
        inspect_ai.eval(task, model="written/tiny-decoder", log_dir="out", log_format=kind, display="none")
    return [*Path("out").iterdir()]


def main() -> None:
    harness: Callable[[], list[Path]] = {"lm-eval": lm_eval, "lighteval": lighteval, "inspect": inspect}[sys.argv[1]]
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        Path("tiny-decoder").symlink_to(ROOT / "fixtures" / "models" / "tiny-decoder")
        for name, rows in TASKS.items():
            Path("rows", name).mkdir(parents=True)
            Path("rows", name, "test.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
        kept = HERE / "lighteval" if harness is lighteval else HERE  # its results are named as lm-eval's are
        kept.mkdir(exist_ok=True)
        for path in harness():
            shutil.copy(path, kept / path.name.replace("|", "-"))  # a name that every system takes
        os.chdir(ROOT)


if __name__ == "__main__":
    main()
