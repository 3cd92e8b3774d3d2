"""pytest_llm: model quality, testable like code.

    assert_perplexity_below(llm, texts, 25)

The path of one assertion, top to bottom:

    assertions    the functions that people write in tests
    inference     how examples become outputs: windows, batches, log-probabilities; here, in processes, or on a cluster
    baselines     per-example statistics in files, and whether two measurements can be compared
    models        what can be measured, and how it is loaded; `models.endpoint` is asked over HTTP
    metrics       sums per example, one formula over them
    tasks         what a model is asked to do: to go on, to choose, to classify, …
    judging       the one place where a number passes or fails: against a limit, a baseline, the model it was made from
    stopping      deciding a gate before all of the data is seen
    statistics    how sure a number is, and a change
    data          examples, and where they come from

Beside it:

    adversarial   edits of texts, and the search for those that break a model; all that knows Hypothesis
    finetuning    how a model is tuned to a task, or made smaller: strategies, and the loop of `pretraining`
    pretraining   objectives and a trainer, for the models of `transformer`: encoder, decoder, and both
    records       what a run measured, in a file, and in the place of models
    history       what runs measured, one after the other
    rating        a page on which people say what is better, for the metrics that judge that
    storage       how files of ours are read: strict JSON, checksums, bounds

The edge: `plugin` (pytest's hooks), `options`, `session` (what goes on around the tests), `fixtures`, `markers`, `thresholds`,
`tolerances`, `tiers`, `reports` (for people), `reporters` (to services), and `command` (`pytest-llm`).

Names are loaded when they are first used: importing this package, or its pytest plugin, imports none of torch,
transformers, numpy and hypothesis.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_llm.lazy_names import lazy_names

if TYPE_CHECKING:
    from pytest_llm.assertions.answers import assert_exact_match_above, assert_squad_f1_above
    from pytest_llm.assertions.any_text import (
        assert_sanitiser_restores,
        assert_special_tokens_isolated,
        assert_terminates,
    )
    from pytest_llm.assertions.classification import (
        assert_accuracy_above,
        assert_balanced_accuracy_above,
        assert_calibration_error_below,
        assert_f1_above,
        assert_matthews_correlation_above,
        assert_precision_above,
        assert_recall_above,
    )
    from pytest_llm.assertions.contracts import (
        assert_attention_close,
        assert_batch_invariant,
        assert_cache_consistent,
        assert_causal,
        assert_deterministic,
        assert_device_close,
        assert_dtype_close,
        assert_finite_logits,
        assert_padding_invariant,
        assert_save_load_identical,
        assert_tokenizer_round_trips,
    )
    from pytest_llm.assertions.custom import assert_metric_above, assert_metric_below
    from pytest_llm.assertions.divergence import (
        assert_divergence_below,
        assert_mean_kld_below,
        assert_same_top_above,
    )
    from pytest_llm.assertions.efficiency import (
        assert_latency_below,
        assert_model_size_below,
        assert_peak_memory_below,
        assert_throughput_above,
    )
    from pytest_llm.assertions.extraction import (
        assert_entity_f1_above,
        assert_entity_precision_above,
        assert_entity_recall_above,
    )
    from pytest_llm.assertions.finetuning import assert_finetuning_improves, assert_no_forgetting
    from pytest_llm.assertions.human_evaluation import (
        assert_agreement_above,
        assert_preference_above,
        assert_rating_above,
    )
    from pytest_llm.assertions.language_modeling import (
        assert_conditional_perplexity_below,
        assert_pseudo_perplexity_below,
    )
    from pytest_llm.assertions.multiple_choice import assert_acc_above
    from pytest_llm.assertions.overlap import (
        assert_bleu_above,
        assert_chrf_above,
        assert_meteor_above,
        assert_rouge_above,
        assert_ter_below,
    )
    from pytest_llm.assertions.quality import assert_perplexity_below
    from pytest_llm.assertions.recovery import assert_recovery_above
    from pytest_llm.assertions.regression import assert_latency_no_regression, assert_no_regression
    from pytest_llm.assertions.retrieval import assert_mrr_above, assert_ndcg_above, assert_recall_at_k_above
    from pytest_llm.assertions.robustness import (
        assert_minimum_functionality,
        assert_no_robustness_regression,
        assert_robust,
    )
    from pytest_llm.assertions.smoothness import assert_smooth_below
    from pytest_llm.assertions.training import (
        assert_gradients_finite,
        assert_gradients_reach_everything,
        assert_loss_decreases,
        assert_overfits_one_batch,
    )
    from pytest_llm.assertions.transcription import (
        assert_cer_below,
        assert_mer_below,
        assert_wer_below,
        assert_wil_below,
    )
    from pytest_llm.data.embedded import embedded
    from pytest_llm.data.example import Example
    from pytest_llm.data.loading import Columns, load_examples
    from pytest_llm.data.streaming import stream
    from pytest_llm.errors import BudgetError, CacheWarning, MetricWarning, MisuseError
    from pytest_llm.inference.calibration import Calibration
    from pytest_llm.inference.cluster.settings import Cluster
    from pytest_llm.inference.engine import Engine
    from pytest_llm.inference.measure import measure
    from pytest_llm.inference.references import save_reference
    from pytest_llm.inference.time_budget import budget
    from pytest_llm.judging.limit_verdict import judge
    from pytest_llm.judging.measurement import Measurement
    from pytest_llm.judging.verdict import Outcome, QualityError, Verdict
    from pytest_llm.limit import Limit
    from pytest_llm.metrics.custom import llm_metric
    from pytest_llm.metrics.multiple_choice import ChoiceScores
    from pytest_llm.models.endpoint.endpoint import Endpoint
    from pytest_llm.models.language_model import (
        ConditionalModel,
        Encoder,
        Extractor,
        LanguageModel,
        MaskedLanguageModel,
        Window,
        WindowedModel,
    )
    from pytest_llm.models.loading import load_model
    from pytest_llm.tasks.arrival import Arrival
    from pytest_llm.tasks.choose import Choose
    from pytest_llm.tasks.classify import Classify
    from pytest_llm.tasks.decoding import Decoding
    from pytest_llm.tasks.embed import Embed
    from pytest_llm.tasks.extract import Extract
    from pytest_llm.tasks.generate import Generate
    from pytest_llm.tasks.prompt import Prompt

__version__ = "0.1.0"

_HOMES = {
    "Arrival": "tasks.arrival",
    "BudgetError": "errors",
    "CacheWarning": "errors",
    "Calibration": "inference.calibration",
    "ChoiceScores": "metrics.multiple_choice",
    "Choose": "tasks.choose",
    "Classify": "tasks.classify",
    "Cluster": "inference.cluster.settings",
    "Columns": "data.loading",
    "ConditionalModel": "models.language_model",
    "Decoding": "tasks.decoding",
    "Embed": "tasks.embed",
    "Encoder": "models.language_model",
    "Endpoint": "models.endpoint.endpoint",
    "Engine": "inference.engine",
    "Example": "data.example",
    "Extract": "tasks.extract",
    "Extractor": "models.language_model",
    "Generate": "tasks.generate",
    "LanguageModel": "models.language_model",
    "Limit": "limit",
    "MaskedLanguageModel": "models.language_model",
    "Measurement": "judging.measurement",
    "MetricWarning": "errors",
    "MisuseError": "errors",
    "Outcome": "judging.verdict",
    "Prompt": "tasks.prompt",
    "QualityError": "judging.verdict",
    "Verdict": "judging.verdict",
    "Window": "models.language_model",
    "WindowedModel": "models.language_model",
    "assert_acc_above": "assertions.multiple_choice",
    "assert_accuracy_above": "assertions.classification",
    "assert_agreement_above": "assertions.human_evaluation",
    "assert_attention_close": "assertions.contracts",
    "assert_balanced_accuracy_above": "assertions.classification",
    "assert_batch_invariant": "assertions.contracts",
    "assert_bleu_above": "assertions.overlap",
    "assert_cache_consistent": "assertions.contracts",
    "assert_calibration_error_below": "assertions.classification",
    "assert_causal": "assertions.contracts",
    "assert_cer_below": "assertions.transcription",
    "assert_chrf_above": "assertions.overlap",
    "assert_conditional_perplexity_below": "assertions.language_modeling",
    "assert_deterministic": "assertions.contracts",
    "assert_device_close": "assertions.contracts",
    "assert_divergence_below": "assertions.divergence",
    "assert_dtype_close": "assertions.contracts",
    "assert_entity_f1_above": "assertions.extraction",
    "assert_entity_precision_above": "assertions.extraction",
    "assert_entity_recall_above": "assertions.extraction",
    "assert_exact_match_above": "assertions.answers",
    "assert_f1_above": "assertions.classification",
    "assert_finetuning_improves": "assertions.finetuning",
    "assert_finite_logits": "assertions.contracts",
    "assert_gradients_finite": "assertions.training",
    "assert_gradients_reach_everything": "assertions.training",
    "assert_latency_below": "assertions.efficiency",
    "assert_latency_no_regression": "assertions.regression",
    "assert_loss_decreases": "assertions.training",
    "assert_matthews_correlation_above": "assertions.classification",
    "assert_mean_kld_below": "assertions.divergence",
    "assert_mer_below": "assertions.transcription",
    "assert_meteor_above": "assertions.overlap",
    "assert_metric_above": "assertions.custom",
    "assert_metric_below": "assertions.custom",
    "assert_minimum_functionality": "assertions.robustness",
    "assert_model_size_below": "assertions.efficiency",
    "assert_mrr_above": "assertions.retrieval",
    "assert_ndcg_above": "assertions.retrieval",
    "assert_no_forgetting": "assertions.finetuning",
    "assert_no_regression": "assertions.regression",
    "assert_no_robustness_regression": "assertions.robustness",
    "assert_overfits_one_batch": "assertions.training",
    "assert_padding_invariant": "assertions.contracts",
    "assert_peak_memory_below": "assertions.efficiency",
    "assert_perplexity_below": "assertions.quality",
    "assert_precision_above": "assertions.classification",
    "assert_preference_above": "assertions.human_evaluation",
    "assert_pseudo_perplexity_below": "assertions.language_modeling",
    "assert_rating_above": "assertions.human_evaluation",
    "assert_recall_above": "assertions.classification",
    "assert_recall_at_k_above": "assertions.retrieval",
    "assert_recovery_above": "assertions.recovery",
    "assert_robust": "assertions.robustness",
    "assert_rouge_above": "assertions.overlap",
    "assert_same_top_above": "assertions.divergence",
    "assert_sanitiser_restores": "assertions.any_text",
    "assert_save_load_identical": "assertions.contracts",
    "assert_smooth_below": "assertions.smoothness",
    "assert_special_tokens_isolated": "assertions.any_text",
    "assert_squad_f1_above": "assertions.answers",
    "assert_ter_below": "assertions.overlap",
    "assert_terminates": "assertions.any_text",
    "assert_throughput_above": "assertions.efficiency",
    "assert_tokenizer_round_trips": "assertions.contracts",
    "assert_wer_below": "assertions.transcription",
    "assert_wil_below": "assertions.transcription",
    "budget": "inference.time_budget",
    "embedded": "data.embedded",
    "judge": "judging.limit_verdict",
    "llm_metric": "metrics.custom",
    "load_examples": "data.loading",
    "load_model": "models.loading",
    "measure": "inference.measure",
    "save_reference": "inference.references",
    "stream": "data.streaming",
}

__all__ = [
    "Arrival",
    "BudgetError",
    "CacheWarning",
    "Calibration",
    "ChoiceScores",
    "Choose",
    "Classify",
    "Cluster",
    "Columns",
    "ConditionalModel",
    "Decoding",
    "Embed",
    "Encoder",
    "Endpoint",
    "Engine",
    "Example",
    "Extract",
    "Extractor",
    "Generate",
    "LanguageModel",
    "Limit",
    "MaskedLanguageModel",
    "Measurement",
    "MetricWarning",
    "MisuseError",
    "Outcome",
    "Prompt",
    "QualityError",
    "Verdict",
    "Window",
    "WindowedModel",
    "assert_acc_above",
    "assert_accuracy_above",
    "assert_agreement_above",
    "assert_attention_close",
    "assert_balanced_accuracy_above",
    "assert_batch_invariant",
    "assert_bleu_above",
    "assert_cache_consistent",
    "assert_calibration_error_below",
    "assert_causal",
    "assert_cer_below",
    "assert_chrf_above",
    "assert_conditional_perplexity_below",
    "assert_deterministic",
    "assert_device_close",
    "assert_divergence_below",
    "assert_dtype_close",
    "assert_entity_f1_above",
    "assert_entity_precision_above",
    "assert_entity_recall_above",
    "assert_exact_match_above",
    "assert_f1_above",
    "assert_finetuning_improves",
    "assert_finite_logits",
    "assert_gradients_finite",
    "assert_gradients_reach_everything",
    "assert_latency_below",
    "assert_latency_no_regression",
    "assert_loss_decreases",
    "assert_matthews_correlation_above",
    "assert_mean_kld_below",
    "assert_mer_below",
    "assert_meteor_above",
    "assert_metric_above",
    "assert_metric_below",
    "assert_minimum_functionality",
    "assert_model_size_below",
    "assert_mrr_above",
    "assert_ndcg_above",
    "assert_no_forgetting",
    "assert_no_regression",
    "assert_no_robustness_regression",
    "assert_overfits_one_batch",
    "assert_padding_invariant",
    "assert_peak_memory_below",
    "assert_perplexity_below",
    "assert_precision_above",
    "assert_preference_above",
    "assert_pseudo_perplexity_below",
    "assert_rating_above",
    "assert_recall_above",
    "assert_recall_at_k_above",
    "assert_recovery_above",
    "assert_robust",
    "assert_rouge_above",
    "assert_same_top_above",
    "assert_sanitiser_restores",
    "assert_save_load_identical",
    "assert_smooth_below",
    "assert_special_tokens_isolated",
    "assert_squad_f1_above",
    "assert_ter_below",
    "assert_terminates",
    "assert_throughput_above",
    "assert_tokenizer_round_trips",
    "assert_wer_below",
    "assert_wil_below",
    "budget",
    "embedded",
    "judge",
    "llm_metric",
    "load_examples",
    "load_model",
    "measure",
    "save_reference",
    "stream",
]

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
