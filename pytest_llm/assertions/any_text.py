"""Assertions about what has to hold for each text, whatever it says: for use alone, or under `@given`.

    @given(script=edits(TEXT, operations=operations("unicode")))
    def test_hidden_characters(llm, script):
        assert_sanitiser_restores(llm, [script], sanitise)

With them belong `assert_finite_logits(texts=…)` and `assert_tokenizer_round_trips(texts)`. One text that breaks it is a failure;
where some may, `assert_robust` gates the share.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from pytest_llm.assertions.gate import assertion, conclude
from pytest_llm.data.loading import Data
from pytest_llm.errors import MisuseError
from pytest_llm.judging.contract import judge_contract
from pytest_llm.judging.measurement import Measurement

if TYPE_CHECKING:
    from pytest_llm.adversarial.edit import EditScript
    from pytest_llm.tasks.generate import Generate
    from pytest_llm.tasks.task import Task


@assertion
def assert_special_tokens_isolated(
    model: Any,
    texts: Sequence[str] | None = None,
    *,
    sanitise: Callable[[str], str] | None = None,
    task: Generate | None = None,
) -> Measurement:
    """Assert that a text which spells a special token is not read as one, opens no turn of a chat, and is not answered by one.

    Counted are special tokens among the tokens of each text; those that a text adds to a chat of one message, or takes from it,
    if the tokenizer has a chat template; and, with a task, special tokens that are spelled in what the model writes.

    Args:
        model: a model with a tokenizer, or a tokenizer of `transformers`.
        texts: None: each special token, spelled within a sentence.
        sanitise: what is done to a text before a model gets it.
        task: what the model is asked to write of each text; None: it is not asked.

    Raises:
        QualityError: there is one; the usual tokenizer reads "</s>" in a text as the end of it.
        MisuseError: (a ValueError) no tokenizer, no special tokens, no texts.

    Example:
        >>> assert_special_tokens_isolated("HuggingFaceTB/SmolLM2-135M-Instruct")  # doctest: +SKIP
    """
    from pytest_llm.inference.contracts.special_tokens import special_isolation

    return conclude(judge_contract(special_isolation(model, texts, sanitise, task)))


@assertion
def assert_terminates(model: Any, data: Data, max_new_tokens: int, *, task: Generate | None = None) -> Measurement:
    """Assert that what a model writes is over before so many tokens are written.

    It is asked to write that many, and 8 more: a text that grows by them had not come to its end.

    Args:
        model: a path, a hub id, a `(model, tokenizer)` pair, or an object with a method `generate(prompts, decoding)`.
        data: prompts, or rows for the task's template.
        max_new_tokens: how many tokens are enough.
        task: how the model is asked; its `max_tokens` and `filter` count for nothing. By default the text itself is the prompt.

    Raises:
        QualityError: a text goes on.
        MisuseError: (a ValueError) a model that writes no text, or draws it at random.
    """
    from pytest_llm.data.loading import load_examples
    from pytest_llm.inference.contracts.terminating import termination
    from pytest_llm.models.loading import as_language_model
    from pytest_llm.tasks.generate import Generate

    asked = Generate() if task is None else task
    found = termination(as_language_model(model), load_examples(data), max_new_tokens, asked)
    return conclude(judge_contract(found))


@assertion
def assert_sanitiser_restores(
    model: Any,
    scripts: Sequence[EditScript | tuple[str, str]],
    sanitise: Callable[[str], str],
    *,
    task: Task | None = None,
    tolerance: float = 1e-3,
) -> Measurement:
    """Assert that behind a sanitiser a model answers an edited text exactly as the text: `f(sanitise(edited)) == f(text)`.

    For edits that leave a text as people see it: zero-width characters, homoglyphs, other normal forms, spaces.

    Args:
        model: a path, a hub id, a `(model, tokenizer)` pair, or an object with the method that the task needs.
        scripts: what strategies such as `edits` draw; or pairs of a text and an edited one.
        sanitise: from text to text, such as `pytest_llm.adversarial.sanitising.sanitise`.
        task: what the model is asked; by default which label the text has, of its classification head.
        tolerance: how far a probability, or log-likelihood (nats), may be off: other batches round otherwise. What is written has
            to be the same text.

    Raises:
        QualityError: an answer differs; the message shows what the sanitiser left.
        MisuseError: (a ValueError) no scripts, a sanitiser that gives no text, a model that cannot be asked so.
    """
    from pytest_llm.inference.contracts.restoring import restoration
    from pytest_llm.models.loading import as_language_model
    from pytest_llm.tasks.classify import Classify

    if not (isinstance(tolerance, float | int) and 0 <= tolerance < float("inf")):
        raise MisuseError(f"tolerance={tolerance!r}: expected a finite number, at least 0")
    pairs = [(one[0], one[1]) if isinstance(one, tuple) else (one.text, one.perturbed) for one in scripts]
    asked = Classify() if task is None else task
    return conclude(judge_contract(restoration(as_language_model(model), pairs, sanitise, asked, float(tolerance))))
