"""Greedy generation of 64 tokens after 32 prompts of 20 to 400 tokens, against transformers and lm-evaluation-harness.

    python tests/benchmarks/generation.py [--dtype bfloat16] [--device cuda] [--rounds 3] [--prompts 32]

All sides must write the same texts. Where two tokens are nearly equally probable, rounding decides, which differs from batch to
batch: one text in sixteen may differ.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.benchmarks.documents import documents
from tests.benchmarks.sides import Side, interleaved, parser, report, require_same, smollm2

OURS = """
from pytest_llm.tasks.decoding import Decoding
model = ours()

def run():
    return model.generate(given["prompts"], Decoding(max_tokens=64))
"""

TRANSFORMERS = """
import torch
model, tokenizer = theirs()
tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token

def run():
    order = sorted(range(len(given["prompts"])), key=lambda i: -len(given["prompts"][i]))
    texts = {{}}
    with torch.inference_mode():
        for start in range(0, len(order), {batch_size}):
            some = order[start : start + {batch_size}]
            batch = tokenizer([given["prompts"][i] for i in some], return_tensors="pt", padding=True, padding_side="left")
            batch = batch.to(given["device"])
            written = model.generate(**batch, max_new_tokens=64, do_sample=False, temperature=None, top_p=None, top_k=None)
            rest = written[:, batch["input_ids"].shape[1] :]
            texts |= zip(some, tokenizer.batch_decode(rest, skip_special_tokens=True, clean_up_tokenization_spaces=False))
    return [texts[i] for i in range(len(order))]
"""

HARNESS = """
from lm_eval.api.instance import Instance
language_model = harness({batch_size})
settings = {{"max_gen_toks": 64, "until": [], "do_sample": False}}
requests = [Instance("generate_until", {{}}, (prompt, settings), i) for i, prompt in enumerate(given["prompts"])]

def run():
    return language_model.generate_until(requests, disable_tqdm=True)
"""


def same(computed: list[str], expected: list[str]) -> str | None:
    """Complains where more than one text in sixteen differs."""
    different = sum(text != right for text, right in zip(computed, expected, strict=True))
    return f"{different} texts of {len(expected)} differ" if different > len(expected) / 16 else None


def main() -> None:
    arguments = parser(__doc__.splitlines()[0])
    arguments.add_argument("--prompts", type=int, default=32)
    options = arguments.parse_args()
    sides = [
        Side("ours", OURS),
        Side("transformers, batch 8", TRANSFORMERS.format(batch_size=8)),
        Side("transformers, batch 32", TRANSFORMERS.format(batch_size=32)),
        Side("lm-eval, batch 8", HARNESS.format(batch_size=8), peer=True),
        Side("lm-eval, batch 32", HARNESS.format(batch_size=32), peer=True),
    ]
    prompts = [" ".join(text.split()[:300]) for text in documents(options.prompts)]
    given = {"gguf": smollm2(), "dtype": options.dtype, "device": options.device, "prompts": prompts}
    runs = interleaved(sides, given, options.rounds)
    require_same(runs, "transformers, batch 8", same)
    report(
        f"64 tokens after each of {options.prompts} prompts, greedy, SmolLM2-135M, {options.dtype} on {options.device}",
        runs,
    )


if __name__ == "__main__":
    main()
