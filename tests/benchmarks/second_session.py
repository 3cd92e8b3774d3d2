"""What a second session on the same model and data costs: no forward pass, and how many milliseconds?

    python tests/benchmarks/second_session.py [MODEL]

SmolLM2-135M in float32 by default, 300 short texts. Each session is a fresh process, and what is timed is its measurement, after
the model is loaded. The first two run on no cache and on an empty one, in turn, so that their difference is what keeping costs:
asking in parts, and writing. The later ones find everything there, once they have hashed all weights to know what they are.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ROUNDS = 3
SESSION = """
import sys, time
from pathlib import Path
from pytest_llm import load_model, measure
from pytest_llm.inference.cache import Cache
from pytest_llm.inference.memo import remembering
from tests.benchmarks.documents import documents

texts = [" ".join(text.split()[:60]) + f" {index}" for index, text in enumerate(documents(300))]
model = load_model(sys.argv[1], device="cpu")
open_cache = (lambda: Cache(lambda: Path(sys.argv[2]))) if len(sys.argv) > 2 else None
with remembering(open_cache) as memo:
    began = time.perf_counter()
    value = measure(model, texts, "perplexity").value
    print("RESULT", [time.perf_counter() - began, value, memo.tally.computed])
"""


def main() -> None:
    model = sys.argv[1] if len(sys.argv) > 1 else "smollm2"
    without, first, later = [], [], []
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory() as folder:
            without.append(session(model))
            first.append(session(model, folder))
            later.append(session(model, folder))
            size = sum(path.stat().st_size for path in Path(folder).iterdir())
    expected = without[0][1]
    if any(abs(value / expected - 1) > 1e-6 for _, value, _ in [*without, *first, *later]):
        raise SystemExit("the measurements differ")
    if any(computed for _, _, computed in later):
        raise SystemExit("a later session computed something")
    took = [statistics.median(seconds for seconds, _, _ in of_one) for of_one in (without, first, later)]
    cost = statistics.median(one[0] / other[0] - 1 for one, other in zip(first, without, strict=True))
    print(
        f"{model}: a session without cache {took[0]:.1f} s; the first with one {took[1]:.1f} s ({cost:+.1%}); a later one "
        f"{took[2] * 1000:.0f} ms, {took[0] / took[2]:.0f} × faster; {size / 1e6:.2f} MB for 300 texts"
    )


def session(model: str, *folder: str) -> tuple[float, float, int]:
    """Seconds, perplexity, and how many answers were computed, in a process of its own."""
    command = [sys.executable, "-c", SESSION, model, *folder]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    seconds, value, computed = json.loads(done.stdout.partition("RESULT ")[2])
    return seconds, value, computed


if __name__ == "__main__":
    main()
