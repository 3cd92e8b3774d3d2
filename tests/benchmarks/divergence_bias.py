"""How far below the divergence from a reference model lies the one from its stored form, which keeps k tokens of each distribution.

    python tests/benchmarks/divergence_bias.py [--documents 31]

Each model is compared with itself in float32: in bfloat16, and with its matrices rounded to 4 bits, both against the model and
against what `save_reference` wrote of it. A row shows the figures from the file as a share of the full ones, and what a token
takes in the file.
"""

from __future__ import annotations

import argparse
import copy
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
import torch

from pytest_llm import Example, embedded, load_examples, load_model, save_reference
from pytest_llm.inference.comparing import Reference, compare
from pytest_llm.models.transformers_model import TransformersModel
from pytest_llm.statistics.jackknife import FloatArray
from pytest_llm.tasks.compare import Compare

KEPT = (16, 64, 256, 1024)
GROUP = 64


def four_bits(model: TransformersModel) -> TransformersModel:
    """The same model, each matrix rounded to 15 levels around 0 in groups of 64 weights: the usual int4, symmetric."""
    module = copy.deepcopy(model.module)
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.dim() == 2:
                groups = parameter.reshape(-1, GROUP)
                step = groups.abs().amax(dim=1, keepdim=True).clamp(min=1e-12) / 7
                parameter.copy_((groups / step).round().mul(step).reshape(parameter.shape))
    return TransformersModel(module, model.tokenizer, name=f"{model.name}, int4")


def half(model: TransformersModel) -> TransformersModel:
    """The same model in bfloat16."""
    return TransformersModel(copy.deepcopy(model.module).bfloat16(), model.tokenizer, name=f"{model.name}, bfloat16")


def divergences(model: TransformersModel, examples: Sequence[Example], reference: Reference) -> FloatArray:
    """Of all tokens, in nats."""
    return np.concatenate([output.kl for output in compare(model, examples, Compare(reference))])


def figures(kl: FloatArray) -> FloatArray:
    """Mean, median, 99 % quantile, largest."""
    return np.array([kl.mean(), *np.quantile(kl, [0.5, 0.99, 1])])


def report(source: str, examples: Sequence[Example], kept: Sequence[int]) -> None:
    base = load_model(source, device="cpu", dtype="float32")
    assert isinstance(base, TransformersModel)
    candidates = {"bfloat16": half(base), "int4": four_bits(base)}
    full = {name: figures(divergences(model, examples, base)) for name, model in candidates.items()}
    tokens = sum(map(len, base.encode([example.text for example in examples])))
    print(f"\n{base.provenance}, {len(examples)} documents, {tokens} tokens\n")
    print("| | k | bytes/token | mean KLD | median | 99 % | max |\n|---|---|---|---|---|---|---|")
    for name, exact in full.items():
        print(f"| {name} | the model itself | | {' | '.join(f'{figure:.4g}' for figure in exact)} |")
    with tempfile.TemporaryDirectory() as folder:
        for k in kept:
            path = save_reference(base, examples, Path(folder, f"top{k}.safetensors"), top_k=k)
            for name, model in candidates.items():
                shares = figures(divergences(model, examples, str(path))) / full[name]
                size = path.stat().st_size / tokens
                print(f"| {name} | {k} | {size:,.0f} | {' | '.join(f'{share:.1%}' for share in shares)} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--documents", type=int, default=31)
    options = parser.parse_args()
    examples = load_examples(embedded("data/held_out.jsonl"))[: options.documents]
    report("tiny-decoder", examples, (*KEPT, 2048))  # 2048 is its whole vocabulary: what is left is float16
    report("smollm2", examples, KEPT)


if __name__ == "__main__":
    main()
