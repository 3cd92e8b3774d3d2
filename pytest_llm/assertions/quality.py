"""Assertions about quality on a data set: `assert_<metric>_below` and `assert_<metric>_above`."""

from __future__ import annotations

from pytest_llm.assertions.gate import assertion, gate
from pytest_llm.data.loading import Data
from pytest_llm.inference.engine import Engine
from pytest_llm.inference.measure import measure
from pytest_llm.inference.time_budget import TimeBudget
from pytest_llm.judging.measurement import Measurement
from pytest_llm.limit import Limit
from pytest_llm.metrics.language_modeling import Perplexity, Unit
from pytest_llm.models.loading import Model
from pytest_llm.stopping.gates import until_limit
from pytest_llm.stopping.mode import EarlyStop


@assertion
def assert_perplexity_below(
    model: Model,
    data: Data,
    limit: float,
    *,
    unit: Unit = "token",
    stride: int | None = None,
    max_length: int | None = None,
    add_bos: bool = True,
    confidence: float | None = None,
    engine: Engine | None = None,
    budget: TimeBudget | None = None,
    early_stop: EarlyStop | None = None,
) -> Measurement:
    """Assert that the corpus perplexity of a language model is below a limit.

    With `nll = −Σ ln p(xₜ | x_<t)` over all scored tokens of all texts, the perplexity is `exp(nll / tokens)`: documents weigh
    by their length. So define it lm-evaluation-harness, llama.cpp and the Hugging Face guide "Perplexity of fixed-length
    models"; the mean of the documents' perplexities, as in `evaluate`, is another and usually larger number.

    *First token and BOS.* With `add_bos` the tokenizer's BOS token (EOS where it has none) stands before each text, and the
    first token is scored given it, as lm-evaluation-harness does; every token counts. Without it the first token has nothing
    to be predicted from and is not counted, as in `model(ids, labels=ids).loss`. Tokenizers are never left to add special tokens.

    *Windows.* A text longer than the context is cut. By default into rolling windows, as lm-evaluation-harness's
    `loglikelihood_rolling` does: each token is scored once, and only the last window reaches back to fill the context.
    With `stride`, into overlapping windows as in the Hugging Face guide: slower, with more context per token, a lower number.
    Of a served model this takes a server that is exact about tokens, such as vLLM; else a longer text is an error.

    *Precision.* The log-softmax is taken in float32 whatever the model's type, and sums are kept in float64.

    Args:
        model: a path, a hub id, a `(model, tokenizer)` pair, or an object with `score(texts)`.
        data: texts, rows with a `text` column, a `datasets.Dataset`, or the path of a file.
        limit: the perplexity (or bits) that must not be reached.
        unit: "token"; "word" and "byte" for `exp(nll / words)` and `exp(nll / bytes)`, "bits_per_byte" for
            `nll / (bytes · ln 2)`. All but the first compare models with different tokenizers.
        stride: how many tokens a window moves; None for rolling windows.
        max_length: window length in tokens; None for the model's context length.
        add_bos: put BOS before each text.
        confidence: None judges this data exactly. 0.95 demands that the one-sided 95 % upper bound for text like this clears
            the limit (jackknife over documents, at least ten of them).
        engine: how the model is asked; None: as the session does.
        budget: how long it may take, such as "5min"; None: as the session says. See `budget`.
        early_stop: "sequential" or "certain": stop when the verdict is as good as certain, or certain; None: as the session
            does. See `stopping.watch`.

    Returns:
        The measurement: `value`, `estimate` (for intervals), `statistics` and `example_values` per document, `signature`.

    Raises:
        QualityError: the perplexity is not below the limit, not provably so if `confidence` asks for proof, or not a number.
        MisuseError: (a ValueError) data, model or settings that give no number at all.

    Example:
        >>> assert_perplexity_below("HuggingFaceTB/SmolLM2-135M", "held_out.jsonl", 25)  # doctest: +SKIP
    """
    claim = Limit.below(limit, confidence=confidence)  # a limit that makes no sense is refused before the model runs
    metric = Perplexity(unit=unit, stride=stride, max_length=max_length, add_bos=add_bos)
    return gate(measure(model, data, metric, engine=engine, until=until_limit(claim, early_stop)), claim)
