"""Multiple choice: 60 contexts of about 200 tokens, 4 short continuations each, against lm-evaluation-harness.

    python tests/benchmarks/multiple_choice.py [--dtype bfloat16] [--device cuda] [--rounds 3] [--contexts 60]

Every continuation's log-likelihood must be the harness's, to 1e-3 in float32.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.benchmarks.documents import documents
from tests.benchmarks.sides import Side, interleaved, parser, report, require_same, smollm2

OURS = """
model = ours()
pairs = [tuple(pair) for pair in given["pairs"]]

def run():
    return [float(scores.sum()) for scores in model.score_pairs(pairs)]
"""

HARNESS = """
from lm_eval.api.instance import Instance
language_model = harness({batch_size})
requests = [Instance("loglikelihood", {{}}, tuple(pair), index) for index, pair in enumerate(given["pairs"])]

def run():
    return [total for total, _ in language_model.loglikelihood(requests, disable_tqdm=True)]
"""

ANSWERS = [" She was right.", " Nobody had seen it happen.", " It was Captain Tilney", " with great astonishment"]


def pairs(contexts: int, words: int = 160) -> list[tuple[str, str]]:
    """Passages of about 200 tokens, each followed by four sentences that could, more or less, come next."""
    novel = " ".join(documents(400)).split()
    passages = [" ".join(novel[start * words : (start + 1) * words]) for start in range(contexts)]
    return [(passage, answer) for passage in passages for answer in ANSWERS]


def main() -> None:
    arguments = parser(__doc__.splitlines()[0])
    arguments.add_argument("--contexts", type=int, default=60)
    options = arguments.parse_args()
    sides = [
        Side("ours", OURS),
        Side("lm-eval, batch 1", HARNESS.format(batch_size=1), peer=True),
        Side("lm-eval, batch 8", HARNESS.format(batch_size=8), peer=True),
    ]
    tolerance = 1e-3 if options.dtype == "float32" else 1.0

    def same(computed: list[float], expected: list[float]) -> str | None:
        worst = max(abs(total - right) for total, right in zip(computed, expected, strict=True))
        return f"a continuation differs by {worst:.2g} nats" if worst > tolerance else None

    given = {"gguf": smollm2(), "dtype": options.dtype, "device": options.device, "pairs": pairs(options.contexts)}
    runs = interleaved(sides, given, options.rounds)
    require_same(runs, "lm-eval, batch 1", same)
    report(
        f"{options.contexts} contexts × {len(ANSWERS)} continuations, SmolLM2-135M, {options.dtype} on {options.device}",
        runs,
    )


if __name__ == "__main__":
    main()
