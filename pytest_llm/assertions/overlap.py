"""Assertions about written texts that are compared with references: translations, summaries, descriptions.

What `model`, `data`, `task` and `engine` may be is the same in all of them, and stands in `measure`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

from pytest_llm.assertions.gate import assertion, gate
from pytest_llm.inference.engine import Engine
from pytest_llm.inference.measure import Answers, Questions, measure
from pytest_llm.inference.time_budget import TimeBudget
from pytest_llm.judging.measurement import Measurement
from pytest_llm.limit import Limit
from pytest_llm.metrics.bleu import Bleu, Smoothing
from pytest_llm.metrics.chrf import Chrf
from pytest_llm.metrics.meteor import Meteor, Tokenize
from pytest_llm.metrics.rouge import Rouge, Variant
from pytest_llm.metrics.ter import Ter
from pytest_llm.stopping.gates import until_limit
from pytest_llm.stopping.mode import EarlyStop
from pytest_llm.tasks.generate import Generate


@assertion
def assert_bleu_above(
    model: Answers,
    data: Questions,
    limit: float,
    *,
    task: Generate | None = None,
    engine: Engine | None = None,
    budget: TimeBudget | None = None,
    confidence: float | None = None,
    tokenize: str = "13a",
    lowercase: bool = False,
    nrefs: int | Literal["var"] = 1,
    smooth_method: Smoothing = "exp",
    smooth_value: float | None = None,
    max_ngram_order: int = 4,
    effective_order: bool = False,
) -> Measurement:
    """Assert that corpus BLEU, as sacreBLEU computes it, is above a limit. From 0 to 100, not 1.

    With the n-gram counts of all texts added up, `BLEU = 100 · min(1, exp(1 − r/c)) · exp(¼ Σ ln pₙ)`; `pₙ` is the share of the
    outputs' n-grams that a reference has, c the outputs' length, r that of the closest references. It is not the mean of
    the sentences' BLEU. Numbers are comparable where their signatures are equal, and between texts of one language only.

    Args:
        model: what writes the texts, or the list of texts that were written; see `measure`.
        data: rows with a `text` and a `target`, one reference or a list of several; for a list of texts also the references alone.
        limit: what BLEU has to exceed, such as 30.
        task: the prompt; None: the model continues `text` as it is.
        engine: how the model is asked; None: as the session does.
        budget: how long it may take, such as "5min"; None: as the session says. See `budget`.
        confidence: 0.95 demands proof for text like this; None judges this data as it is.
        tokenize: "13a" for Western scripts, "intl", "zh" for Chinese, "char", "none"; see `metrics.bleu` for all.
        lowercase: ignore case.
        nrefs: how many references each example has; "var" where it differs.
        smooth_method: what an order without a match counts: "exp", "floor", "add-k", "none".
        smooth_value: of "floor" and "add-k".
        max_ngram_order: the longest n-grams.
        effective_order: leave out the orders that are longer than the output.

    Raises:
        QualityError: BLEU is not above the limit, or not provably so if `confidence` asks for proof.
        MisuseError: (a ValueError) data, model or settings that give no number; a number of references that is not `nrefs`.

    Source: Papineni et al. 2002; Post 2018, "A Call for Clarity in Reporting BLEU Scores" (sacreBLEU).

    Example:
        >>> task = Generate("English: {text}\\nGerman:", filter="first_line", max_tokens=100)
        >>> assert_bleu_above(llm, "translation_en_de.jsonl", 25, task=task)  # doctest: +SKIP
    """
    claim = Limit.above(limit, confidence=confidence)  # a limit that makes no sense is refused before the model runs
    metric = Bleu(
        tokenize=tokenize,
        lowercase=lowercase,
        nrefs=nrefs,
        smooth_method=smooth_method,
        smooth_value=smooth_value,
        max_ngram_order=max_ngram_order,
        effective_order=effective_order,
    )
    return gate(measure(model, data, metric, task=task, engine=engine), claim)


@assertion
def assert_chrf_above(
    model: Answers,
    data: Questions,
    limit: float,
    *,
    task: Generate | None = None,
    engine: Engine | None = None,
    budget: TimeBudget | None = None,
    confidence: float | None = None,
    word_order: int = 0,
    char_order: int = 6,
    beta: int = 2,
    lowercase: bool = False,
    whitespace: bool = False,
    eps_smoothing: bool = False,
    nrefs: int | Literal["var"] = 1,
) -> Measurement:
    """Assert that chrF (or chrF++), as sacreBLEU computes it, is above a limit. From 0 to 100, not 1.

    The F-score of the character n-grams that outputs and references share, recall counting β times as much as precision:
    `100 · (1 + β²) · P · R / (β² · P + R)`. It needs no tokenizer and so reads every script.

    Args:
        model: what writes the texts, or the list of texts that were written; see `measure`.
        data: rows with a `text` and a `target`, one reference or a list of several; for a list of texts also the references alone.
        limit: what chrF has to exceed, such as 55.
        task: the prompt; None: the model continues `text` as it is.
        engine: how the model is asked; None: as the session does.
        budget: how long it may take, such as "5min"; None: as the session says. See `budget`.
        confidence: 0.95 demands proof for text like this; None judges this data as it is.
        word_order: 0 is chrF, 2 is chrF++, which counts 1- and 2-grams of words too. The metric is called `chrf`,
            `chrf_plus` or `chrf_plus_plus` accordingly.
        char_order: the longest character n-grams.
        beta: how many times recall counts as much as precision.
        lowercase: ignore case.
        whitespace: count white space as characters.
        eps_smoothing: average over all orders, as chrF++.py and Moses do.
        nrefs: how many references each example has; "var" where it differs.

    Raises:
        QualityError: chrF is not above the limit, or not provably so if `confidence` asks for proof.
        MisuseError: (a ValueError) data, model or settings that give no number; a number of references that is not `nrefs`.

    Source: Popović 2015 (chrF), 2017 (chrF++); sacreBLEU.

    Example:
        >>> assert_chrf_above(["Guten Morgen."], ["Guten Morgen!"], 80, word_order=2)  # doctest: +SKIP
    """
    claim = Limit.above(limit, confidence=confidence)
    metric = Chrf(
        char_order=char_order,
        word_order=word_order,
        beta=beta,
        lowercase=lowercase,
        whitespace=whitespace,
        eps_smoothing=eps_smoothing,
        nrefs=nrefs,
    )
    return gate(measure(model, data, metric, task=task, engine=engine), claim)


@assertion
def assert_ter_below(
    model: Answers,
    data: Questions,
    limit: float,
    *,
    task: Generate | None = None,
    engine: Engine | None = None,
    budget: TimeBudget | None = None,
    confidence: float | None = None,
    normalized: bool = False,
    no_punct: bool = False,
    asian_support: bool = False,
    case_sensitive: bool = False,
    nrefs: int | Literal["var"] = 1,
) -> Measurement:
    """Assert that the translation edit rate, as sacreBLEU computes it, is below a limit. 0 is perfect; 100 and more is possible.

    `TER = 100 · Σ edits / Σ reference words`; edits insert, delete or substitute a word, or shift a block of words.

    Args:
        model: what writes the texts, or the list of texts that were written; see `measure`.
        data: rows with a `text` and a `target`, one reference or a list of several; for a list of texts also the references alone.
        limit: what TER must not reach, such as 60.
        task: the prompt; None: the model continues `text` as it is.
        engine: how the model is asked; None: as the session does.
        budget: how long it may take, such as "5min"; None: as the session says. See `budget`.
        confidence: 0.95 demands proof for text like this; None judges this data as it is.
        normalized: separate punctuation from words.
        no_punct: leave punctuation out.
        asian_support: with one of these two: each Chinese character is a word, and Asian punctuation is punctuation.
        case_sensitive: tell upper from lower case.
        nrefs: how many references each example has; "var" where it differs.

    Raises:
        QualityError: TER is not below the limit, not provably so if `confidence` asks for proof, or no reference has a word.
        MisuseError: (a ValueError) data, model or settings that give no number; a number of references that is not `nrefs`.

    Source: Snover et al. 2006; sacreBLEU.

    Example:
        >>> assert_ter_below(["a black cat sat"], ["the black cat sat"], 30)  # doctest: +SKIP
    """
    claim = Limit.below(limit, confidence=confidence)
    metric = Ter(
        normalized=normalized,
        no_punct=no_punct,
        asian_support=asian_support,
        case_sensitive=case_sensitive,
        nrefs=nrefs,
    )
    return gate(measure(model, data, metric, task=task, engine=engine), claim)


@assertion
def assert_rouge_above(
    model: Answers,
    data: Questions,
    limit: float,
    *,
    task: Generate | None = None,
    engine: Engine | None = None,
    budget: TimeBudget | None = None,
    early_stop: EarlyStop | None = None,
    confidence: float | None = None,
    variant: Variant = "rougeL",
    stemmer: bool = False,
    tokenize: Callable[[str], list[str]] | None = None,
) -> Measurement:
    """Assert that the mean ROUGE F1, as Google's rouge-score computes it, is above a limit. From 0 to 1.

    `F1 = 2 · P · R / (P + R)` of what output and reference share, the mean over examples; of several references the best counts.

    Args:
        model: what writes the summaries, or the list of summaries that were written; see `measure`.
        data: rows with a `text` and a `target`, one reference or a list of several; for a list of texts also the references alone.
        limit: what ROUGE has to exceed, such as 0.3.
        task: the prompt; None: the model continues `text` as it is.
        engine: how the model is asked; None: as the session does.
        budget: how long it may take, such as "5min"; None: as the session says. See `budget`.
        early_stop: "sequential" or "certain": stop when the verdict is as good as certain, or certain; None: as the session
            does. See `stopping.watch`.
        confidence: 0.95 demands proof for text like this; None judges this data as it is.
        variant: "rouge1" and "rouge2" count shared words and pairs of words, "rougeL" the longest common subsequence, "rougeLsum"
            that of each line: put each sentence on a line of its own. It is the metric's name.
        stemmer: compare English words by their Porter stem.
        tokenize: text to tokens; None: lower case, a–z and 0–9 only, so other scripts need one.

    Raises:
        QualityError: ROUGE is not above the limit, or not provably so if `confidence` asks for proof.
        MisuseError: (a ValueError) data, model or settings that give no number.

    Source: Lin 2004, "ROUGE: A Package for Automatic Evaluation of Summaries"; rouge-score.

    Example:
        >>> task = Generate("{text}\\n\\nIn one sentence:", filter="first_line")
        >>> assert_rouge_above(llm, "summaries.jsonl", 0.2, task=task, stemmer=True)  # doctest: +SKIP
    """
    claim = Limit.above(limit, confidence=confidence)
    metric = Rouge(variant, stemmer=stemmer, tokenize=tokenize)
    return gate(measure(model, data, metric, task=task, engine=engine, until=until_limit(claim, early_stop)), claim)


@assertion
def assert_meteor_above(
    model: Answers,
    data: Questions,
    limit: float,
    *,
    task: Generate | None = None,
    engine: Engine | None = None,
    budget: TimeBudget | None = None,
    early_stop: EarlyStop | None = None,
    confidence: float | None = None,
    wordnet: str | Path | None = None,
    tokenize: Tokenize = "treebank",
    alpha: float = 0.9,
    beta: float = 3.0,
    gamma: float = 0.5,
) -> Measurement:
    """Assert that the mean METEOR, with NLTK's alignment, is above a limit. From 0 to 1.

    Words of output and reference are aligned by form, stem and synonym; with precision P and recall R of the m aligned
    words in c unbroken chunks it is `P·R / (α·P + (1 − α)·R) · (1 − γ · (c/m)^β)`, the mean over examples.

    Args:
        model: what writes the texts, or the list of texts that were written; see `measure`.
        data: rows with a `text` and a `target`, one reference or a list of several; for a list of texts also the references alone.
        limit: what METEOR has to exceed, such as 0.4.
        task: the prompt; None: the model continues `text` as it is.
        engine: how the model is asked; None: as the session does.
        budget: how long it may take, such as "5min"; None: as the session says. See `budget`.
        early_stop: "sequential" or "certain": stop when the verdict is as good as certain, or certain; None: as the session
            does. See `stopping.watch`.
        confidence: 0.95 demands proof for text like this; None judges this data as it is.
        wordnet: the folder of WordNet's files, for synonyms; None leaves them out. Nothing is downloaded.
        tokenize: "treebank" (NLTK's), "none" (at white space), or a function from text to tokens.
        alpha: weight of recall.
        beta: how steeply the penalty for chunks rises.
        gamma: the greatest penalty.

    Raises:
        QualityError: METEOR is not above the limit, or not provably so if `confidence` asks for proof.
        MisuseError: (a ValueError) data, model or settings that give no number, or a folder without WordNet.

    Source: Banerjee & Lavie 2005; Lavie & Agarwal 2007; NLTK. The Java program's numbers are others.

    Example:
        >>> assert_meteor_above(["the cat sat on it"], ["the cat sat on the mat"], 0.5)  # doctest: +SKIP
    """
    claim = Limit.above(limit, confidence=confidence)
    metric = Meteor(wordnet=wordnet, tokenize=tokenize, alpha=alpha, beta=beta, gamma=gamma)
    return gate(measure(model, data, metric, task=task, engine=engine, until=until_limit(claim, early_stop)), claim)
