"""Log-likelihood of 120 documents on SmolLM2-135M: this engine against plain loops, lm-evaluation-harness and torchmetrics.

    python tests/benchmarks/scoring.py [--dtype bfloat16] [--device cuda] [--rounds 3] [--documents 120] [--without-slow]

Every document's log-likelihood must be the plain loop's, to 1e-4 relative in float32. The sides that take minutes run once.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.benchmarks.documents import documents
from tests.benchmarks.sides import Side, interleaved, parser, report, require_same, smollm2

OURS = """
from pytest_llm import load_examples
from pytest_llm.inference.scoring import score
from pytest_llm.tasks.score import Score
model, examples = ours(), load_examples(given["texts"])

def run():
    return [float(output.sum()) for output in score(model, examples, Score())]
"""

PLAIN = """
import torch
model, tokenizer = theirs()

def run():
    totals = []
    with torch.inference_mode():
        for text in given["texts"]:
            ids = [tokenizer.bos_token_id, *tokenizer(text, add_special_tokens=False)["input_ids"]]
            ids = torch.tensor([ids], device=given["device"])
            totals.append(-float(model(ids, labels=ids).loss) * (ids.shape[1] - 1))
    return totals
"""

ONEDNN = """
from functools import partial

def onednn(weight, bias, rows):
    return torch.ops.mkldnn._linear_pointwise(rows, weight, bias, "none", [], "")

with torch.inference_mode():
    for layer in model.modules():
        if type(layer) is torch.nn.Linear:
            packed = torch.ops.mkldnn._reorder_linear_weight(layer.weight.detach(), 512)
            layer.forward = partial(onednn, packed, layer.bias)
"""

HARNESS = """
from lm_eval.api.instance import Instance
language_model = harness({batch_size})
requests = [Instance("loglikelihood_rolling", {{}}, (text,), index) for index, text in enumerate(given["texts"])]

def run():
    return language_model.loglikelihood_rolling(requests, disable_tqdm=True)
"""

# Its metric keeps no total of a document, so a batch's is spread over its documents by its own account: only the sum is compared.
TORCHMETRICS = """
import math, torch
from torchmetrics.text import Perplexity
model, tokenizer = theirs()
tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token

def run():
    total = 0.0
    with torch.inference_mode():
        for start in range(0, len(given["texts"]), 16):
            texts = [tokenizer.bos_token + text for text in given["texts"][start : start + 16]]
            batch = tokenizer(texts, return_tensors="pt", padding=True, padding_side="right", add_special_tokens=False)
            batch = batch.to(given["device"])
            logits = model(**batch).logits
            targets = batch["input_ids"].masked_fill(batch["attention_mask"] == 0, -100)[:, 1:]
            metric = Perplexity(ignore_index=-100)
            metric.update(logits[:, :-1], targets)
            total -= math.log(float(metric.compute())) * int((targets != -100).sum())
    return [total]
"""


def same(tolerance: float) -> Any:
    """Complains about documents, or the sum where only that is known, that differ by more than `tolerance`, relative."""

    def complaint(computed: list[float], expected: list[float]) -> str | None:
        if len(computed) == 1 and len(expected) > 1:
            computed, expected = [sum(computed)], [sum(expected)]
        worst = max(abs(total - right) / abs(right) for total, right in zip(computed, expected, strict=True))
        return f"a log-likelihood differs by {worst:.2g}" if worst > tolerance else None

    return complaint


def main() -> None:
    arguments = parser(__doc__.splitlines()[0])
    arguments.add_argument("--documents", type=int, default=120)
    arguments.add_argument("--without-slow", action="store_true")
    options = arguments.parse_args()

    sides = [
        Side("ours", OURS),
        Side("plain loop", PLAIN),
        Side("plain loop, oneDNN linears", PLAIN + ONEDNN),
        Side("lm-eval, batch 1", HARNESS.format(batch_size=1), peer=True),
        Side("lm-eval, batch 8", HARNESS.format(batch_size=8), peer=True, slow=True),
        Side("torchmetrics, batch 16", TORCHMETRICS, peer=True, slow=True),
    ]
    if options.device != "cpu":
        sides = [
            sides[0],
            sides[1],
            *(Side(f"lm-eval, batch {n}", HARNESS.format(batch_size=n), peer=True) for n in (1, 8, 32)),
        ]
    elif options.dtype == "bfloat16":
        sides = sides[:2]
    if options.without_slow:
        sides = [side for side in sides if not side.slow]
    given = {"gguf": smollm2(), "dtype": options.dtype, "device": options.device, "texts": documents(options.documents)}
    runs = interleaved(sides, given, options.rounds)
    require_same(runs, "plain loop", same(1e-4 if options.dtype == "float32" else 0.02))
    report(f"log-likelihood of {options.documents} documents, SmolLM2-135M, {options.dtype} on {options.device}", runs)


if __name__ == "__main__":
    main()
