"""The metrics, by name. A new metric is one file here, one row below, and one `assert_…` function.

The table is plain text so that markers can be checked at collection without importing numpy.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal

from pytest_llm.errors import MisuseError

if TYPE_CHECKING:
    from pytest_llm.metrics.custom import CustomMetric
    from pytest_llm.metrics.metric import Metric


@dataclass(frozen=True, slots=True)
class Entry:
    """Where a metric lives and which side of a limit is the good one."""

    home: str
    """`module:class` below `pytest_llm.metrics`."""
    good: Literal["below", "above"]
    settings: dict[str, Any] = field(default_factory=dict)
    custom: CustomMetric | None = None
    """The metric itself, of one that `llm_metric` made; it has no settings."""

    @property
    def tolerance(self) -> str | None:
        """How much worse it may get against a baseline, unless a test says; None where it has to."""
        return _TOLERANCES.get(self.home.partition(":")[0])

    @property
    def of_people(self) -> bool:
        """Whether it is about what people said, so that no model is asked."""
        return self.home.partition(":")[0] in _OF_PEOPLE

    def make(self, **settings: Any) -> Metric:
        """The metric itself; settings are its constructor's arguments."""
        if self.custom is not None:
            if settings:
                raise TypeError(f"it has no settings, but got {', '.join(settings)}")
            return self.custom
        module, name = self.home.split(":")
        made: Metric = getattr(import_module(f"pytest_llm.metrics.{module}"), name)(**{**self.settings, **settings})
        return made


_TOLERANCES = {
    "language_modeling": "1%",
    **dict.fromkeys(("bleu", "chrf", "ter"), "1.0"),  # points of 100
    "transcription": "0.5pp",
    **dict.fromkeys(("rouge", "meteor", "question_answering", "multiple_choice", "classification"), "1pp"),
    **dict.fromkeys(("calibration", "extraction", "retrieval"), "1pp"),
}

_OF_PEOPLE = ("preference", "bradley_terry", "krippendorff_alpha", "agreement")

METRICS: dict[str, Entry] = {
    "perplexity": Entry("language_modeling:Perplexity", "below", {"unit": "token"}),
    "word_perplexity": Entry("language_modeling:Perplexity", "below", {"unit": "word"}),
    "byte_perplexity": Entry("language_modeling:Perplexity", "below", {"unit": "byte"}),
    "bits_per_byte": Entry("language_modeling:Perplexity", "below", {"unit": "bits_per_byte"}),
    "conditional_perplexity": Entry("language_modeling:ConditionalPerplexity", "below", {"unit": "token"}),
    "conditional_word_perplexity": Entry("language_modeling:ConditionalPerplexity", "below", {"unit": "word"}),
    "conditional_byte_perplexity": Entry("language_modeling:ConditionalPerplexity", "below", {"unit": "byte"}),
    "conditional_bits_per_byte": Entry("language_modeling:ConditionalPerplexity", "below", {"unit": "bits_per_byte"}),
    "pseudo_perplexity": Entry("language_modeling:PseudoPerplexity", "below"),
    "bleu": Entry("bleu:Bleu", "above"),
    "chrf": Entry("chrf:Chrf", "above"),
    "chrf_plus": Entry("chrf:Chrf", "above", {"word_order": 1}),
    "chrf_plus_plus": Entry("chrf:Chrf", "above", {"word_order": 2}),
    "ter": Entry("ter:Ter", "below"),
    "rouge1": Entry("rouge:Rouge", "above", {"variant": "rouge1"}),
    "rouge2": Entry("rouge:Rouge", "above", {"variant": "rouge2"}),
    "rougeL": Entry("rouge:Rouge", "above", {"variant": "rougeL"}),
    "rougeLsum": Entry("rouge:Rouge", "above", {"variant": "rougeLsum"}),
    "meteor": Entry("meteor:Meteor", "above"),
    "exact_match": Entry("question_answering:ExactMatch", "above"),
    "squad_exact_match": Entry("question_answering:SquadMatch", "above", {"measure": "exact_match"}),
    "squad_f1": Entry("question_answering:SquadMatch", "above", {"measure": "f1"}),
    "wer": Entry("transcription:ErrorRate", "below", {"rate": "wer"}),
    "cer": Entry("transcription:ErrorRate", "below", {"rate": "cer"}),
    "mer": Entry("transcription:ErrorRate", "below", {"rate": "mer"}),
    "wil": Entry("transcription:ErrorRate", "below", {"rate": "wil"}),
    "acc": Entry("multiple_choice:MultipleChoice", "above", {"per": "choice"}),
    "acc_norm": Entry("multiple_choice:MultipleChoice", "above", {"per": "character"}),
    "acc_bytes": Entry("multiple_choice:MultipleChoice", "above", {"per": "byte"}),
    "acc_tokens": Entry("multiple_choice:MultipleChoice", "above", {"per": "token"}),
    "accuracy": Entry("classification:Accuracy", "above"),
    "balanced_accuracy": Entry("classification:BalancedAccuracy", "above"),
    "precision": Entry("classification:ClassificationScore", "above", {"score": "precision"}),
    "recall": Entry("classification:ClassificationScore", "above", {"score": "recall"}),
    "f1": Entry("classification:ClassificationScore", "above", {"score": "f1"}),
    "matthews_correlation": Entry("classification:MatthewsCorrelation", "above"),
    "calibration_error": Entry("calibration:CalibrationError", "below"),
    "entity_precision": Entry("extraction:EntityScore", "above", {"score": "precision"}),
    "entity_recall": Entry("extraction:EntityScore", "above", {"score": "recall"}),
    "entity_f1": Entry("extraction:EntityScore", "above", {"score": "f1"}),
    "mean_kld": Entry("divergence:Divergence", "below", {"statistic": "mean_kld"}),
    "median_kld": Entry("divergence:KldQuantile", "below", {"quantile": 0.5}),
    "kld_p99": Entry("divergence:KldQuantile", "below", {"quantile": 0.99}),
    "max_kld": Entry("divergence:KldQuantile", "below", {"quantile": 1}),
    "same_top": Entry("divergence:Divergence", "above", {"statistic": "same_top"}),
    "rms_delta_p": Entry("divergence:Divergence", "below", {"statistic": "rms_delta_p"}),
    "perplexity_ratio": Entry("divergence:Divergence", "below", {"statistic": "perplexity_ratio"}),
    "embedding_divergence": Entry("embedding_divergence:EmbeddingDivergence", "below"),
    **{
        f"{of}_p{percent}": Entry("efficiency:Latency", "below", {"of": of, "quantile": percent / 100})
        for of in ("latency", "time_to_first_token", "time_per_output_token")
        for percent in (50, 90, 95, 99)
    },
    "prefill_throughput": Entry("efficiency:Throughput", "above", {"phase": "prefill"}),
    "decoding_throughput": Entry("efficiency:Throughput", "above", {"phase": "decoding"}),
    "peak_host_memory": Entry("efficiency:MemoryPeak", "below", {"place": "host"}),
    "peak_device_memory": Entry("efficiency:MemoryPeak", "below", {"place": "device"}),
    "recall_at_k": Entry("retrieval:RecallAtK", "above"),
    "mrr": Entry("retrieval:ReciprocalRank", "above"),
    "ndcg_at_k": Entry("retrieval:NDCG", "above"),
    "mean_rating": Entry("preference:MeanRating", "above"),
    "win_rate": Entry("preference:WinRate", "above"),
    "bradley_terry": Entry("bradley_terry:BradleyTerry", "above"),
    "krippendorff_alpha": Entry("krippendorff_alpha:KrippendorffAlpha", "above"),
    "cohen_kappa": Entry("agreement:CohenKappa", "above"),
    "fleiss_kappa": Entry("agreement:FleissKappa", "above"),
}

METRICS_BELOW_ZERO = frozenset(
    ("matthews_correlation", "mean_rating", "bradley_terry", "krippendorff_alpha", "cohen_kappa", "fleiss_kappa")
)
"""Of those for which more is better: the ones that may be negative."""


def closest(name: str, known: Iterable[str]) -> str:
    """What a wrong name may have been meant for; all there is, if nothing is like it."""
    from difflib import get_close_matches  # only when something is wrong

    names = list(known)
    like = get_close_matches(name, names, n=3)
    return f"did you mean {' or '.join(like)}?" if like else f"there are: {', '.join(names)}"


def as_metric(metric: Metric | str) -> Metric:
    """A metric that is given whole, or by its name."""
    return metric_named(metric) if isinstance(metric, str) else metric


def metric_named(name: str, **settings: Any) -> Metric:
    """The metric of that name, such as `metric_named("perplexity", stride=512)`.

    Raises:
        MisuseError: no such metric, or a setting that it does not have.
    """
    if name not in METRICS:
        raise MisuseError(f"no metric is called {name!r}; {closest(name, METRICS)}")
    try:
        return METRICS[name].make(**settings)
    except TypeError as error:
        raise MisuseError(f"metric {name!r}: {error}") from None


def default_tolerance(metric: str) -> str:
    """What is tolerated of a metric where a test does not say.

    Raises:
        MisuseError: the metric has no such tolerance.
    """
    default = METRICS[metric].tolerance if metric in METRICS else None
    if default is None:
        raise MisuseError(
            f"{metric} has no tolerance of its own: say what is tolerated, as in tolerance='1%' or tolerance=0.01"
        )
    return default
