"""Assertions about language models that are not asked from left to right: encoder-decoders and masked models."""

from __future__ import annotations

from pytest_llm.assertions.gate import assertion, gate
from pytest_llm.data.loading import Data
from pytest_llm.inference.engine import Engine
from pytest_llm.inference.measure import measure
from pytest_llm.inference.time_budget import TimeBudget
from pytest_llm.judging.measurement import Measurement
from pytest_llm.limit import Limit
from pytest_llm.metrics.language_modeling import ConditionalPerplexity, PseudoPerplexity, Unit
from pytest_llm.models.loading import Model
from pytest_llm.stopping.gates import until_limit
from pytest_llm.stopping.mode import EarlyStop


@assertion
def assert_conditional_perplexity_below(
    model: Model,
    data: Data,
    limit: float,
    *,
    unit: Unit = "token",
    score_eos: bool | None = None,
    confidence: float | None = None,
    engine: Engine | None = None,
    budget: TimeBudget | None = None,
    early_stop: EarlyStop | None = None,
) -> Measurement:
    """Assert that the perplexity of targets (translations, summaries, answers) given their sources is below a limit.

    With `nll = −Σ ln p(xₜ | source, x_<t)` over all tokens of all targets, it is `exp(nll / tokens)`: targets weigh by their
    length. For T5 and one target it is `exp(model(input_ids, labels=labels).loss)`.

    *Special tokens.* The source is read with those that the tokenizer puts around it, as in training. The decoder starts with
    the model's `decoder_start_token_id`. What the tokenizer puts in front of a target (BART's `<s>`, a language code) is
    given to the decoder, not scored; `loss` counts it, so BART's differs a little. The end token of the target is scored,
    as in training: a model that has forgotten where to stop gets worse. `score_eos=False` gives the sums of
    lm-evaluation-harness's `loglikelihood`.

    *Length.* A source or target that is longer than the model can read is an error; nothing is cut off.

    *Precision.* The log-softmax is taken in float32 whatever the model's type, and sums are kept in float64.

    Args:
        model: the path or hub id of an encoder-decoder, a `(model, tokenizer)` pair, or an object with `score_pairs(pairs)`.
        data: rows with the columns `text` (the source) and `target`, a `datasets.Dataset`, or the path of a file. Columns of
            other names: `load_examples(rows, columns=Columns(text="de", target="en"))`.
        limit: the perplexity (or bits) that must not be reached.
        unit: "token"; "word", "byte" and "bits_per_byte" divide by the words and bytes of the targets, and compare models with
            different tokenizers.
        score_eos: whether the end token of each target is scored; None: as the model was trained (encoder-decoders: yes).
        confidence: None judges this data exactly. 0.95 demands that the one-sided 95 % upper bound for text like this clears
            the limit (jackknife over examples or their clusters, at least ten of them).
        engine: how the model is asked; None: as the session does.
        budget: how long it may take, such as "5min"; None: as the session says. See `budget`.
        early_stop: "sequential" or "certain": stop when the verdict is as good as certain, or certain; None: as the session
            does. See `stopping.watch`.

    Returns:
        The measurement: `value`, `estimate` (for intervals), `statistics` and `example_values` per example, `signature`.

    Raises:
        QualityError: the perplexity is not below the limit, not provably so if `confidence` asks for proof, or not a number.
        MisuseError: (a ValueError) data, model or settings that give no number at all.

    Example:
        >>> assert_conditional_perplexity_below("google-t5/t5-small", "summaries.jsonl", 6)  # doctest: +SKIP
    """
    claim = Limit.below(limit, confidence=confidence)  # a limit that makes no sense is refused before the model runs
    metric = ConditionalPerplexity(unit=unit, score_eos=score_eos)
    return gate(measure(model, data, metric, engine=engine, until=until_limit(claim, early_stop)), claim)


@assertion
def assert_pseudo_perplexity_below(
    model: Model,
    data: Data,
    limit: float,
    *,
    within_word: bool = True,
    confidence: float | None = None,
    engine: Engine | None = None,
    budget: TimeBudget | None = None,
    early_stop: EarlyStop | None = None,
) -> Measurement:
    """Assert that the pseudo-perplexity of a masked language model (BERT, RoBERTa, …) is below a limit.

    Each token is masked in turn and predicted from all others: `exp(−Σ ln p(xₜ | x without xₜ) / tokens)` (Salazar et al. 2020,
    "Masked Language Model Scoring"). This is no probability of the text: compare it with that of a masked model with the
    same tokenizer, never with the perplexity of a causal model.

    *Words.* With `within_word` the later tokens of a word are hidden with the token that is asked for (Kauf & Ivanova 2023, "A
    Better Way to Do Masked Language Model Scoring", PLL-word-l2r). Without it a rare word that is cut into many tokens
    looks probable, as its pieces give each other away.

    *Windows.* A text longer than the context is cut into windows that do not overlap, between words where that is possible.
    Each has the tokenizer's special tokens around it, which are read and not scored.

    *Cost.* Each token takes a forward pass of its window, in batches: a text of 500 tokens costs as much as 500 texts.

    Args:
        model: the path or hub id of a masked model, a `(model, tokenizer)` pair, or an object with
            `pseudo_log_probs(texts, within_word=…)`.
        data: texts, rows with a `text` column, a `datasets.Dataset`, or the path of a file.
        limit: the pseudo-perplexity that must not be reached.
        within_word: hide the later tokens of the same word as well; needs a fast tokenizer.
        confidence: None judges this data exactly. 0.95 demands that the one-sided 95 % upper bound for text like this clears
            the limit (jackknife over documents, at least ten of them).
        engine: how the model is asked; None: as the session does.
        budget: how long it may take, such as "5min"; None: as the session says. See `budget`.
        early_stop: "sequential" or "certain": stop when the verdict is as good as certain, or certain; None: as the session
            does. See `stopping.watch`.

    Returns:
        The measurement: `value`, `estimate` (for intervals), `statistics` and `example_values` per document, `signature`.

    Raises:
        QualityError: it is not below the limit, not provably so if `confidence` asks for proof, or not a number.
        MisuseError: (a ValueError) data, model or settings that give no number at all.

    Example:
        >>> assert_pseudo_perplexity_below("google-bert/bert-base-cased", "held_out.jsonl", 12)  # doctest: +SKIP
    """
    claim = Limit.below(limit, confidence=confidence)
    metric = PseudoPerplexity(within_word=within_word)
    return gate(measure(model, data, metric, engine=engine, until=until_limit(claim, early_stop)), claim)
