"""What a metric of many texts costs with its interval, against the library that gives its value alone; and how much memory.

    python tests/benchmarks/corpus_metrics.py [--pairs 50000] [--rounds 3] [--memory-pairs 200000]

The pairs are verses in two English translations, each with a few words exchanged so that no two pairs are the same. Both sides
run in this process on one thread and take turns; a figure is CPU time, which other work on the machine disturbs least. Both have
to give the same value.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import os
import random
import resource
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeAlias

os.environ["OMP_NUM_THREADS"] = "1"
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import jiwer
import sacrebleu
from rouge_score.rouge_scorer import RougeScorer

from pytest_llm import embedded, load_examples, measure

Texts: TypeAlias = list[str]
SEED = 20240623
EXCHANGED = 2
"""Words of each text that are replaced by another one of it."""


def rouge(variant: str) -> Callable[[Texts, Texts], float]:
    def mean(outputs: Texts, references: Texts) -> float:
        scorer = RougeScorer([variant])
        scores = [scorer.score(*pair)[variant].fmeasure for pair in zip(references, outputs, strict=True)]
        return statistics.fmean(scores)

    return mean


LIBRARIES: Mapping[str, tuple[str, Callable[[Texts, Texts], float]]] = {
    "bleu": ("sacrebleu", lambda outputs, references: float(sacrebleu.corpus_bleu(outputs, [references]).score)),
    "chrf": ("sacrebleu", lambda outputs, references: float(sacrebleu.corpus_chrf(outputs, [references]).score)),
    "wer": ("jiwer", lambda outputs, references: float(jiwer.wer(references, outputs))),
    "cer": ("jiwer", lambda outputs, references: float(jiwer.cer(references, outputs))),
    **{variant: ("rouge-score", rouge(variant)) for variant in ("rouge1", "rouge2", "rougeL", "rougeLsum")},
}


def pairs(count: int) -> tuple[Texts, Texts]:
    """Outputs and references, seeded."""
    generator = random.Random(SEED)
    verses = [verse.target for verse in load_examples(embedded("data/translation_es_en.jsonl"))]
    chosen = [generator.choice(verses) for _ in range(count)]
    return [_exchanged(old, generator) for old, _ in chosen], [_exchanged(new, generator) for _, new in chosen]


def compare(name: str, outputs: Texts, references: Texts, rounds: int) -> None:
    """Time both sides in turn and print a line."""
    package, library = LIBRARIES[name]
    theirs, ours, value = [], [], math.nan
    for _ in range(rounds):
        began = time.process_time()
        expected = library(outputs, references)
        between = time.process_time()
        measurement = measure(outputs, references, name)
        ours.append(time.process_time() - between)
        theirs.append(between - began)
        value = measurement.value
        if not math.isclose(value, expected, rel_tol=1e-9) or measurement.estimate is None:
            raise SystemExit(f"{name}: {value} with interval {measurement.estimate}, but {package} gives {expected}")
    ratio = statistics.median(own / other for own, other in zip(ours, theirs, strict=True))
    print(
        f"{name:>9}  {package:>11} {statistics.median(theirs):6.2f} s  with interval {statistics.median(ours):6.2f} s"
        f"  ratio {ratio:.2f}  ({value:.4g}, {rounds} rounds)",
        flush=True,
    )


def memory(name: str, count: int) -> None:
    """Print how far one measurement raises the memory of a process that holds the data already."""
    outputs, references = pairs(count)
    measure(outputs[:100], references[:100], name)  # what imports and tables take is not the data's
    held = _resident()
    measure(outputs, references, name)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(f"{name:>9}  {count} pairs: {(peak - held) / 2**20:.0f} MiB above the data and the process", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--pairs", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--memory-pairs", type=int, default=200_000)
    parser.add_argument("--metrics", nargs="*", choices=LIBRARIES, default=list(LIBRARIES))
    given = parser.parse_args()
    if given.pairs:
        outputs, references = pairs(given.pairs)
        for name in given.metrics:
            compare(name, outputs, references, given.rounds)
    for name in {"bleu", "wer"} & set(given.metrics) if given.memory_pairs else ():
        child = multiprocessing.get_context("spawn").Process(target=memory, args=(name, given.memory_pairs))
        child.start()
        child.join()
        if child.exitcode:
            raise SystemExit(f"{name}: the process that was to be measured ended with {child.exitcode}")


def _exchanged(text: str, generator: random.Random) -> str:
    words = text.split()
    for _ in range(EXCHANGED):
        words[generator.randrange(len(words))] = generator.choice(words)
    return " ".join(words)


def _resident() -> int:
    """Bytes that this process holds now (Linux)."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


if __name__ == "__main__":
    main()
