"""What a model predicts, told from its configuration and the name of its class."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from pytest_llm.models.kinds import kind_of


@pytest.mark.parametrize(
    ("encoder_decoder", "classes", "kind"),
    [
        (True, ["T5ForConditionalGeneration"], "encoder-decoder"),
        (False, ["BertForMaskedLM"], "masked"),
        (False, ["BertForSequenceClassification"], "classifier"),
        (False, ["BertForTokenClassification"], "tagger"),
        (False, ["BertModel"], "encoder"),
        (False, ["GPT2LMHeadModel"], "causal"),
        (False, ["BertLMHeadModel"], "causal"),
        (False, [], "causal"),
    ],
)
def test_the_kind_follows_from_configuration_and_class(encoder_decoder: bool, classes: list[str], kind: str) -> None:
    assert kind_of(SimpleNamespace(is_encoder_decoder=encoder_decoder), classes) == kind
