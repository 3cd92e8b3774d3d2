"""All that a metric may ask of a model. `inference.answering` has a case for each."""

from __future__ import annotations

from typing import TypeAlias

from pytest_llm.tasks.choose import Choose
from pytest_llm.tasks.classify import Classify
from pytest_llm.tasks.compare import Compare
from pytest_llm.tasks.embed import Embed
from pytest_llm.tasks.extract import Extract
from pytest_llm.tasks.generate import Generate
from pytest_llm.tasks.perturb import Perturb
from pytest_llm.tasks.score import MaskedScore, PairScore, Score
from pytest_llm.tasks.timed import Timed, Watched

Task: TypeAlias = (
    Score
    | PairScore
    | MaskedScore
    | Generate
    | Choose
    | Classify
    | Embed
    | Extract
    | Compare
    | Perturb
    | Timed
    | Watched
)
