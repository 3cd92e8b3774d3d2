"""The search for edits that flip a classifier, against TextAttack's searches: one victim, the same candidates, the same budgets.

    python -m venv .venv-textattack
    .venv-textattack/bin/pip install uv
    .venv-textattack/bin/uv pip install --python .venv-textattack textattack 'flair>=0.15' 'pyarrow<21' --only-binary sentencepiece
    .venv-textattack/bin/python tests/benchmarks/against_textattack.py [--texts 100]

The victim tells topics apart by letter trigrams (scikit-learn, trained on two thirds of the shipped questions); one object answers
both sides and counts texts and calls. The candidates are TextAttack's own: neighbours swapped, a letter dropped, a key beside, each
of a word's inner letters; texts for which the two sides' candidates are not the same are left out. What each side found is held
against one check: is any of its changed words one too many? "words" are those changed in texts that both this search and ours flip,
"ours there" what ours changes in these.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
# importing TextAttack reads a list of words that no attack here uses
os.environ["NLTK_DATA"] = str(Path(__file__).resolve().parent / "nltk_data")

import textattack
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from textattack.constraints.overlap import MaxWordsPerturbed
from textattack.constraints.pre_transformation import MinWordLength, RepeatModification
from textattack.goal_function_results import GoalFunctionResultStatus
from textattack.goal_functions import UntargetedClassification
from textattack.models.wrappers import ModelWrapper
from textattack.search_methods import BeamSearch, GreedySearch, GreedyWordSwapWIR
from textattack.shared import AttackedText
from textattack.transformations import (
    CompositeTransformation,
    WordSwapNeighboringCharacterSwap,
    WordSwapQWERTY,
    WordSwapRandomCharacterDeletion,
)

from pytest_llm import Example, embedded, load_examples
from pytest_llm.adversarial import Budget, InvariantLabel, Operation, Search, candidate_table
from pytest_llm.adversarial.attacking import attack_texts
from pytest_llm.adversarial.operation import of_words

SHORTEST = 4
SWAPS = [
    kind(random_one=False, skip_first_char=True, skip_last_char=True)
    for kind in (WordSwapNeighboringCharacterSwap, WordSwapRandomCharacterDeletion, WordSwapQWERTY)
]
BUDGETS, EDITS = (50, 100, 300), (1, 3)
textattack.shared.utils.logger.setLevel("ERROR")


class Victim(ModelWrapper):  # type: ignore[misc]  # TextAttack has no types
    """Probabilities of topics, for both sides; counts what it reads."""

    def __init__(self, learned: Sequence[Example]) -> None:
        trigrams = TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 3))
        self.model = make_pipeline(trigrams, LogisticRegression(C=20, max_iter=1000))
        self.model.fit([example.text for example in learned], [example.target for example in learned])
        self.labels = self.model.classes_.tolist()
        self.name, self.texts, self.calls = "trigrams", 0, 0

    def __call__(self, texts: Sequence[str]) -> Any:
        self.texts += len(texts)
        self.calls += 1
        return self.model.predict_proba(list(texts))

    def classify(self, texts: Sequence[str]) -> list[dict[str, float]]:
        return [dict(zip(self.labels, row, strict=True)) for row in self(texts).tolist()]


@dataclass(frozen=True)
class Result:
    """Of each text the edited one that flips it, None where there is none; and what that took."""

    flipped: list[str | None]
    texts: int
    calls: int
    """Of the victim, while searching."""
    more: int
    """Calls to see that what was found holds by itself, and without edits nothing does: of ours alone."""
    seconds: float


def ours(victim: Victim, examples: Sequence[Example], edits: int, queries: int) -> Result:
    before, start = (victim.texts, victim.calls), time.perf_counter()
    attacks = attack_texts(
        victim,
        examples,
        [of(kind) for kind in SWAPS],
        InvariantLabel(),
        budget=Budget(max_edits=edits),
        search=Search(queries=queries),
    )
    seconds = time.perf_counter() - start
    found = [None if one.counter_example is None else one.counter_example.script.perturbed for one in attacks.of_each]
    searching = attacks.queries.batches + 1  # and the clean texts
    return Result(found, victim.texts - before[0], searching, victim.calls - before[1] - searching, seconds)


def of(kind: Any) -> Operation:
    """A transformation of TextAttack as an operation of ours."""

    def candidates(word: str) -> list[str]:
        return list(kind._get_replacement_words(word)) if len(word) >= SHORTEST else []

    return Operation(f"typo.{type(kind).__name__}", "character", "likely", 1, of_words(candidates))


def attack_of(victim: Victim, method: Any, edits: int, queries: int) -> Any:
    return textattack.Attack(
        UntargetedClassification(victim, query_budget=queries),
        [RepeatModification(), MinWordLength(SHORTEST), MaxWordsPerturbed(max_num_words=edits)],
        CompositeTransformation(SWAPS),
        method,
    )


def theirs(victim: Victim, examples: Sequence[Example], method: Any, edits: int, queries: int) -> Result:
    before, start = (victim.texts, victim.calls), time.perf_counter()
    attack, found = attack_of(victim, method, edits, queries), []
    for example in examples:
        result = attack.attack(AttackedText(example.text), victim.labels.index(example.target)).perturbed_result
        flips = result.goal_status == GoalFunctionResultStatus.SUCCEEDED
        found.append(result.attacked_text.text if flips else None)
    return Result(found, victim.texts - before[0], victim.calls - before[1], 0, time.perf_counter() - start)


def same_candidates(victim: Victim, example: Example) -> bool:
    attack = attack_of(victim, GreedySearch(), 1, 10**9)
    text = AttackedText(example.text)
    given = {one.text for one in attack.get_transformations(text, original_text=text)} - {example.text}
    table = candidate_table(example.text, [of(kind) for kind in SWAPS], Budget(max_edits=1))
    return given == {script.perturbed for script in table.scripts(1)}


def changed(victim: Victim, example: Example, flipped: str) -> tuple[int, bool]:
    """How many words differ, and whether it flips no more without any one of these changes."""
    before, after = example.text.split(" "), flipped.split(" ")
    places = [place for place, pair in enumerate(zip(before, after, strict=True)) if pair[0] != pair[1]]
    without = [" ".join([*after[:i], before[i], *after[i + 1 :]]) for i in places]
    labels = victim.model.predict(without).tolist()
    return len(places), all(label == example.target for label in labels)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--texts", type=int, default=100)
    wanted = parser.parse_args().texts
    questions = load_examples(embedded("data/topics.jsonl"))
    victim = Victim([question for place, question in enumerate(questions) if place % 3])
    asked = [question for place, question in enumerate(questions) if place % 3 == 0]
    right = [one for one in asked if victim.model.predict([one.text])[0] == one.target]
    examples = [one for one in right if same_candidates(victim, one)][:wanted]
    print(
        f"{len(examples)} texts: of {len(asked)} the victim has {len(right)} right; candidates are the same for all of these"
    )
    methods: dict[str, Callable[[int, int], Result]] = {
        "pytest_llm": lambda k, q: ours(victim, examples, k, q),
        "GreedyWordSwapWIR (delete)": lambda k, q: theirs(victim, examples, GreedyWordSwapWIR("delete"), k, q),
        "GreedySearch": lambda k, q: theirs(victim, examples, GreedySearch(), k, q),
        "BeamSearch (8)": lambda k, q: theirs(victim, examples, BeamSearch(8), k, q),
    }
    print("| most words | queries | search | flipped | words | ours there | 1-minimal | texts read | calls | seconds |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for edits in EDITS:
        for queries in BUDGETS:
            own: list[str | None] = []
            for name, method in methods.items():
                random.seed(0)
                result = method(edits, queries)
                own = own or result.flipped  # ours is the first
                triples = zip(examples, result.flipped, own, strict=True)
                both = [(changed(victim, e, f), changed(victim, e, o)) for e, f, o in triples if f and o]
                minimal = statistics.fmean(is_minimal for (_, is_minimal), _ in both)
                words, there = (statistics.fmean(pair[side][0] for pair in both) for side in (0, 1))
                flipped, more = sum(one is not None for one in result.flipped), f" + {result.more}" * bool(result.more)
                print(
                    f"| {edits} | {queries} | {name} | {flipped} | {words:.2f} | {there:.2f} | {minimal:.0%} | {result.texts} | "
                    f"{result.calls}{more} | {result.seconds:.1f} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
