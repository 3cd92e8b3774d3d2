"""Answer `Score` requests: the log-probability of each token of each text.

Models with a context length are planned for here: texts are cut into windows, all windows of all texts are handed to the model
at once, for it to batch as it likes, and the pieces are put together again. A served model reads texts whole; it is handed the same
plan for what its context does not hold.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from pytest_llm.data.example import Example
from pytest_llm.errors import MisuseError
from pytest_llm.inference.checks import checked_answers, lacking, naming, refuse_positive
from pytest_llm.inference.engine import ask
from pytest_llm.inference.memo import remembered, text_of
from pytest_llm.inference.windows import rolling_windows, strided_windows
from pytest_llm.models.language_model import (
    AnyModel,
    DistributionModel,
    LanguageModel,
    Window,
    WindowedModel,
    WindowingModel,
)
from pytest_llm.statistics.jackknife import FloatArray
from pytest_llm.tasks.score import Score


def window_length(model: AnyModel, request: Score) -> int | None:
    """The context length in tokens that a request is answered with; None where the model plans its own.

    Raises:
        MisuseError: max_length exceeds the model's context; a server that reads no windows.
    """
    if isinstance(model, WindowingModel) and request != Score():
        return model.window_length(request.max_length)
    if not isinstance(model, WindowedModel):
        return None
    if request.max_length is not None and request.max_length > model.max_length:
        raise MisuseError(f"max_length={request.max_length} exceeds the model's context of {model.max_length} tokens")
    return request.max_length or model.max_length


def score(model: AnyModel, examples: Sequence[Example], request: Score) -> list[FloatArray]:
    """The log-probabilities of each example's scored tokens, natural logarithm.

    Raises:
        MisuseError: nothing to score in some text, a model that does not score texts, a setting that the model has no use
            for, an answer of the wrong shape.
    """
    if isinstance(model, WindowedModel):
        outputs = remembered(model, examples, request, partial(_score_windows, request=request), text_of)
    elif not isinstance(model, LanguageModel):
        raise lacking(
            model,
            "how probable each token of a text is, given those before it",
            "a causal model of transformers, or an object with a method score(texts)",
        )
    elif isinstance(model, WindowingModel):
        outputs = remembered(model, examples, request, partial(_score_served, request=request), text_of)
    else:
        outputs = remembered(model, examples, request, partial(_score_texts, request=request), text_of)
    refuse_positive(examples, outputs)
    return outputs


def _score_windows(model: WindowedModel, examples: Sequence[Example], request: Score) -> list[FloatArray]:
    plan = [_windows(model, example, tokens, request) for example, tokens in encode_all(model, examples)]
    windows = [window for per_example in plan for window in per_example]
    answers = ask(model, "score_windows", windows)
    for window, answer in zip(windows, answers, strict=True):
        if len(answer) != window.scored:
            raise MisuseError(
                f"{type(model).__name__}.score_windows gave {len(answer)} log-probabilities for a window "
                f"with {window.scored} scored tokens"
            )
    of_example = iter(answers)
    return [np.concatenate([next(of_example) for _ in per_example]) for per_example in plan]


def encode_all(
    model: WindowedModel | DistributionModel, examples: Sequence[Example]
) -> list[tuple[Example, list[int]]]:
    """Each text with its tokens; a text that has none, because it is no valid Unicode, is refused by name."""
    try:
        encoded = model.encode([example.text for example in examples])
    except (UnicodeError, TypeError) as error:
        # one text at a time, to name the culprit; a lone surrogate is the usual one
        for example in examples:
            try:
                model.encode([example.text])
            except (UnicodeError, TypeError):
                raise MisuseError(f"the text of {example.label} cannot be tokenized: {error}") from None
        raise
    return list(zip(examples, encoded, strict=True))


def _windows(model: WindowedModel, example: Example, tokens: list[int], request: Score) -> list[Window]:
    if request.add_bos and model.prefix_token is None:
        raise MisuseError("the tokenizer has neither BOS nor EOS to put in front: use add_bos=False")
    prefix = [model.prefix_token] if request.add_bos and model.prefix_token is not None else []
    sequence = prefix + tokens
    if not tokens:
        raise MisuseError(f"the text of {example.label} has no tokens: {example.text[:40]!r}")
    if len(sequence) < 2:
        raise MisuseError(
            f"the text of {example.label} is a single token ({example.text!r}), which has nothing before it to predict it "
            f"from: use add_bos=True, or drop it"
        )
    length = window_length(model, request) or model.max_length
    if request.stride is None:
        return rolling_windows(sequence, length)
    return strided_windows(sequence, length, request.stride)


def _score_served(model: WindowingModel, examples: Sequence[Example], request: Score) -> list[FloatArray]:
    texts = [example.text for example in examples]
    cut = rolling_windows if request.stride is None else partial(strided_windows, stride=request.stride)
    with naming((example.text, example) for example in examples):
        if request != Score():
            settings = {"max_length": request.max_length, "add_bos": request.add_bos}
            answers = ask(model, "score_in_windows", texts, cut=cut, **settings)
        else:
            beyond = ask(model, "score_beyond", texts, cut=cut)
            left = [text for text, answer in zip(texts, beyond, strict=True) if answer is None]
            whole = iter(ask(model, "score", left))
            answers = [next(whole) if answer is None else answer for answer in beyond]
    return checked_answers(f"{type(model).__name__}.score", examples, answers)


def _score_texts(model: LanguageModel, examples: Sequence[Example], request: Score) -> list[FloatArray]:
    if request != Score():
        raise MisuseError(
            f"{type(model).__name__} scores whole texts in its own way: stride, max_length and add_bos have no meaning for it"
        )
    with naming((example.text, example) for example in examples):
        answers = ask(model, "score", [example.text for example in examples])
    return checked_answers(f"{type(model).__name__}.score", examples, answers)
