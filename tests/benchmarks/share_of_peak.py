"""How near scoring comes to the machine's limit: the job's arithmetic at the best matrix rate found, against the time taken.

    python tests/benchmarks/share_of_peak.py [--dtype bfloat16] [--documents 120] [--rounds 3]

The rate is the best that torch reaches, by any kernel it has, at the shapes of the model's own layers with 1 024 rows: for each
shape the fastest of many rounds, taken between the scoring runs. Arithmetic: two operations for each weight of a linear layer and
token, the head for each scored token, and for attention two products over the keys that a token sees.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import torch

from pytest_llm.models.language_model import Window
from tests.benchmarks.documents import documents
from tests.benchmarks.sides import load_smollm2

ROWS = 1024


def shapes(module: Any) -> Counter[tuple[int, int]]:
    """How many linear layers of which shape there are, `(in, out)`, without the head."""
    head = module.get_output_embeddings()
    layers = (layer for layer in module.modules() if type(layer) is torch.nn.Linear and layer is not head)
    return Counter((layer.in_features, layer.out_features) for layer in layers)


@torch.inference_mode()
def operations_per_second(width_in: int, width_out: int, dtype: torch.dtype) -> float:
    """The best rate at one shape, of torch's own product and of oneDNN's with and without packed weights."""
    rows = torch.randn(ROWS, width_in).to(dtype)
    weight = torch.randn(width_out, width_in).to(dtype)
    packed = torch.ops.mkldnn._reorder_linear_weight(weight, ROWS)
    best = float("inf")
    for _ in range(10):
        for product in (
            lambda: torch.nn.functional.linear(rows, weight),
            lambda: torch.ops.mkldnn._linear_pointwise(rows, weight, None, "none", [], ""),
            lambda: torch.ops.mkldnn._linear_pointwise(rows, packed, None, "none", [], ""),
        ):
            began = time.perf_counter()
            product()
            best = min(best, time.perf_counter() - began)
    return 2 * ROWS * width_in * width_out / best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dtype", choices=["float32", "bfloat16"], default="float32")
    parser.add_argument("--documents", type=int, default=120)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    dtype = getattr(torch, options.dtype)
    model = load_smollm2(options.dtype)
    config, head = model.module.config, model.module.get_output_embeddings()
    windows = [Window((0, *tokens), len(tokens)) for tokens in model.encode(documents(options.documents))]
    tokens = sum(window.scored for window in windows)
    counts = shapes(model.module)

    model.score_windows(windows[:4])  # the probe and the choice of kernels
    rates: dict[tuple[int, int], float] = {}
    seconds = float("inf")
    for _ in range(options.rounds):
        for shape in [*counts, (head.in_features, 2048)]:
            rates[shape] = max(rates.get(shape, 0.0), operations_per_second(*shape, dtype))
        began = time.perf_counter()
        model.score_windows(windows)
        seconds = min(seconds, time.perf_counter() - began)

    best = max(rates.values())
    layers = sum(2 * tokens * count * width_in * width_out for (width_in, width_out), count in counts.items())
    of_head = 2 * tokens * head.in_features * head.out_features
    pairs = sum(window.scored * (window.scored + 1) / 2 for window in windows)
    attention = 4 * pairs * config.num_attention_heads * config.head_dim * config.num_hidden_layers
    work = layers + of_head + attention
    print(f"{options.documents} documents, {tokens} tokens, {options.dtype}: {work / 1e12:.2f} TFLOP")
    for shape, rate in sorted(rates.items()):
        print(f"  {shape[0]:>5} × {shape[1]:<5} {rate / 1e9:5.0f} GFLOP/s")
    print(f"scored in {seconds:.1f} s; at the best rate {work / best:.1f} s: {work / best / seconds:.0%} of the limit")


if __name__ == "__main__":
    main()
