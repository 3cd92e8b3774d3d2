"""Log-likelihood of 120 documents on SmolLM2-135M in float32: this engine, a plain loop, lm-evaluation-harness.

    python tests/benchmarks/scoring.py [--rounds 3] [--documents 120]

Each run is a fresh process; the sides take turns. Times are of scoring alone, after loading; memory is the process's peak.
Before any ratio is printed the sides must have computed the same numbers. The harness lives in `.venv-peers`, which this script
makes; PIP_CONSTRAINT is passed on, so that all sides have the same torch.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import venv
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PEERS = ROOT / ".venv-peers"

SIDE = """
import json, resource, sys, time, warnings
warnings.simplefilter("ignore")
side, gguf, texts_file = sys.argv[1:]
texts = json.load(open(texts_file))

if side == "ours":
    import pytest_llm
    from pytest_llm.inference.scoring import score
    from pytest_llm.metrics.requests import Score
    model = pytest_llm.load_model(gguf, device="cpu")
    examples = pytest_llm.load_examples(texts)
    run = lambda: [float(output.sum()) for output in score(model, examples, Score())]
else:
    import os, torch
    from transformers import AutoModelForCausalLM, AutoTokenizer
    folder, name = os.path.split(gguf)
    tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=name)
    model = AutoModelForCausalLM.from_pretrained(folder, gguf_file=name, dtype=torch.float32).eval()

    def plain():
        totals = []
        with torch.inference_mode():
            for text in texts:
                ids = torch.tensor([[tokenizer.bos_token_id, *tokenizer(text, add_special_tokens=False)["input_ids"]]])
                totals.append(-float(model(ids, labels=ids).loss) * (ids.shape[1] - 1))
        return totals

    run = plain
    if side.startswith("lm-eval"):
        from lm_eval.api.instance import Instance
        from lm_eval.models.huggingface import HFLM
        harness = HFLM(pretrained=model, tokenizer=tokenizer, batch_size=int(side.split()[-1]))
        requests = [Instance("loglikelihood_rolling", {}, (text,), index) for index, text in enumerate(texts)]
        run = lambda: harness.loglikelihood_rolling(requests, disable_tqdm=True)

began = time.perf_counter()
totals = run()
seconds = time.perf_counter() - began
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print("RESULT", json.dumps({"seconds": seconds, "peak": peak, "totals": totals}))
"""


def peers_python() -> str:
    """The interpreter of the peers' environment; made on first use."""
    python = str(PEERS / "bin" / "python")
    if not (PEERS / "installed").exists():
        venv.create(PEERS, with_pip=True)
        for packages in (["--upgrade", "pip"], ["torch"], ["lm-eval", "transformers", "gguf", "accelerate"]):
            subprocess.run([python, "-m", "pip", "install", "--quiet", *packages], check=True)
        (PEERS / "installed").touch()
    return python


def run(side: str, gguf: Path, texts: Path) -> dict[str, Any]:
    python = peers_python() if side.startswith("lm-eval") else sys.executable
    environment = {**os.environ, "TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [python, "-c", SIDE, side, str(gguf), str(texts)], env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"{side} failed:\n{done.stderr[-2000:]}")
    result: dict[str, Any] = json.loads(done.stdout.partition("RESULT ")[2])
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--documents", type=int, default=120)
    options = parser.parse_args()
    sides = ["ours", "plain loop", "lm-eval, batch 1"]

    sys.path.insert(0, str(ROOT))
    from pytest_llm.models.loading import smollm2_file
    from tests.benchmarks.documents import documents

    with tempfile.TemporaryDirectory() as folder:
        texts = Path(folder, "texts.json")
        texts.write_text(json.dumps(documents(options.documents)))
        runs = [{side: run(side, smollm2_file(), texts) for side in sides} for _ in range(options.rounds)]

    reference = runs[0]["plain loop"]["totals"]
    for results in runs:
        for side, result in results.items():
            pairs = zip(result["totals"], reference, strict=True)
            worst = max(abs(total - expected) / abs(expected) for total, expected in pairs)
            if worst > 1e-4:
                raise SystemExit(f"{side} computed other numbers: a document differs by {worst:.2g}")

    print(f"{options.documents} documents, SmolLM2-135M, float32, median of {options.rounds} interleaved runs")
    for side in sides:
        seconds = statistics.median(results[side]["seconds"] for results in runs)
        ratio = statistics.median(results[side]["seconds"] / results["ours"]["seconds"] for results in runs)
        peak = statistics.median(results[side]["peak"] for results in runs)
        print(f"{side:>18}  {seconds:6.1f} s  {ratio:5.2f} × ours  peak {peak:6.0f} MiB")


if __name__ == "__main__":
    main()
