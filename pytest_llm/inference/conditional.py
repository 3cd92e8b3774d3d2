"""Answer `PairScore` and `MaskedScore`: how probable the tokens of a target are given its source, or of a text when masked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from pytest_llm.data.example import Example
from pytest_llm.errors import MisuseError
from pytest_llm.inference.checks import checked_answers, lacking, refuse_positive, takes
from pytest_llm.inference.engine import ask
from pytest_llm.inference.memo import remembered, text_of
from pytest_llm.models.language_model import AnyModel, ConditionalModel, MaskedLanguageModel
from pytest_llm.statistics.jackknife import FloatArray
from pytest_llm.tasks.score import MaskedScore, PairScore

_CHARACTERS_PER_TOKEN = 4


def score_pairs(model: AnyModel, examples: Sequence[Example], request: PairScore) -> list[FloatArray]:
    """The log-probabilities of the tokens of each example's target, given its text.

    Raises:
        MisuseError: an example without a target, a model without `score_pairs` or without a choice about the end token.
    """
    if not isinstance(model, ConditionalModel):
        raise lacking(
            model,
            "how probable each token of a target is, given its source",
            "an encoder-decoder of transformers, or an object with a method score_pairs(pairs)",
        )
    for example in examples:
        _check_target(example)
    if request.score_eos is not None and not takes(model.score_pairs, "score_eos"):
        raise MisuseError(
            f"{type(model).__name__}.score_pairs has no keyword score_eos: it decides itself whether the end of a target is "
            f"scored; use score_eos=None"
        )
    settings = {} if request.score_eos is None else {"score_eos": request.score_eos}
    outputs = remembered(model, examples, request, partial(_score_pairs, settings=settings), _pair)
    refuse_positive(examples, outputs)
    return outputs


def _score_pairs(model: ConditionalModel, examples: list[Example], settings: Mapping[str, Any]) -> list[FloatArray]:
    given = ask(model, "score_pairs", list(map(_pair, examples)), **settings)
    return checked_answers(f"{type(model).__name__}.score_pairs", examples, given)


def score_masked(model: AnyModel, examples: Sequence[Example], request: MaskedScore) -> list[FloatArray]:
    """The pseudo-log-likelihoods of the tokens of each example's text.

    Raises:
        MisuseError: a model without `pseudo_log_probs`, a text without tokens.
    """
    if not isinstance(model, MaskedLanguageModel):
        raise lacking(
            model,
            "how probable each token of a text is when it is masked",
            "a masked model of transformers, or an object with a method pseudo_log_probs(texts, within_word=…)",
        )

    # each token is asked for in a row of its own, as long as the text
    outputs = remembered(
        model,
        examples,
        request,
        partial(_score_masked, within_word=request.within_word),
        text_of,
        effort=lambda example: len(example.text) ** 2 // _CHARACTERS_PER_TOKEN,
    )
    refuse_positive(examples, outputs)
    return outputs


def _score_masked(model: MaskedLanguageModel, examples: list[Example], within_word: bool) -> list[FloatArray]:
    given = ask(model, "pseudo_log_probs", [example.text for example in examples], within_word=within_word)
    return checked_answers(f"{type(model).__name__}.pseudo_log_probs", examples, given)


def _pair(example: Example) -> tuple[str, str]:
    return example.text, example.target


def _check_target(example: Example) -> None:
    if example.target is None:
        raise MisuseError(
            f"example {example.label} has no target: a text is scored given its source, so rows need both, in the columns "
            f"'text' (the source) and 'target'; others are named by load_examples(data, columns=Columns(text=…, target=…))"
        )
    if not isinstance(example.target, str):
        raise MisuseError(
            f"the target of example {example.label} is {example.target!r} ({type(example.target).__name__}), not a string"
        )
    if not example.target:
        raise MisuseError(f"the target of example {example.label} is empty: drop it, it has no token to be scored")
