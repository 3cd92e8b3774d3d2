"""From requests to the methods that answer them: what is asked, what is remembered, what is refused."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pytest

from pytest_llm import Example, measure
from pytest_llm.data.loading import load_examples
from pytest_llm.errors import MisuseError
from pytest_llm.inference.answering import answer, context_length
from pytest_llm.inference.memo import remembering
from pytest_llm.models.encoder_decoder_model import EncoderDecoderModel
from pytest_llm.models.language_model import AnyModel
from pytest_llm.models.masked_model import MaskedModel
from pytest_llm.models.transformers_model import TransformersModel
from pytest_llm.tasks.score import MaskedScore, PairScore, Score
from pytest_llm.tasks.task import Task
from tests.stub_models import CharacterModel, MaskedTable, PairTable, UniformModel
from tests.tiny_checkpoints import TEXTS, tiny_bert, tiny_t5

ROWS = [
    {"text": "eins", "target": "one"},
    {"text": "zwei", "target": "two"},
    {"text": "eins", "target": "a"},
]
PAIRS = [(row["text"], row["target"]) for row in ROWS]
TABLE = {pair: [-float(number), -1.0] for number, pair in enumerate(PAIRS)}


class Answers:
    """A model of one's own that answers anything at all."""

    def __init__(self, given: Any) -> None:
        self.given = given

    def score_pairs(self, pairs: Sequence[tuple[str, str]]) -> Any:
        return self.given

    def pseudo_log_probs(self, texts: Sequence[str], *, within_word: bool) -> Any:
        return self.given


def answers(model: AnyModel, data: Any, request: Task) -> list[list[float]]:
    return [output.tolist() for output in answer(model, load_examples(data), request)]


def test_a_model_of_ones_own_gets_all_pairs_at_once() -> None:
    model = PairTable(TABLE)
    assert answers(model, ROWS, PairScore()) == [[0, -1], [-1, -1], [-2, -1]]
    assert model.calls == [PAIRS]


@pytest.mark.parametrize(("within_word", "factor"), [(True, 2), (False, 1)])
def test_a_model_of_ones_own_is_told_whether_to_mask_words(within_word: bool, factor: int) -> None:
    model = MaskedTable({"a b": [-1.0, -2.0], "c": [-3.0]})
    expected = [[-1.0 * factor, -2.0 * factor], [-3.0 * factor]]
    assert answers(model, ["a b", "c"], MaskedScore(within_word)) == expected
    assert model.calls == [["a b", "c"]]


@pytest.mark.parametrize("request_", [PairScore(), MaskedScore()])
@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([[-1.0]] * 2, "returned 2 results for 3 texts"),
        ([[-1.0], [], [-1.0]], r"returned \[\] for #1; expected one log-probability per token"),
        ([[-1.0], [-1.0], -2.0], "for #2; expected one log-probability per token"),
        (None, "returned None"),
        ([[-1.0], [-0.5, 0.25], [-1.0]], "a token of #1 the log-probability 0.25; none can exceed 0"),
    ],
)
def test_answers_that_are_no_log_probabilities_are_refused(request_: Task, given: Any, message: str) -> None:
    with pytest.raises(MisuseError, match=message):
        answers(Answers(given), [{"text": text, "target": "t"} for text in "abc"], request_)


@pytest.mark.parametrize("request_", [PairScore(), MaskedScore()])
@pytest.mark.parametrize("value", [math.nan, -math.inf])
def test_nan_and_probability_0_are_passed_on(request_: Task, value: float) -> None:
    ((first, second),) = answers(Answers([[value, -1.0]]), ROWS[:1], request_)
    assert second == -1
    assert first == pytest.approx(value, nan_ok=True)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"text": "a"}, r"example #1 has no target: .* columns=Columns\(text=…, target=…\)"),
        ({"text": "a", "target": ""}, "the target of example #1 is empty"),
        ({"text": "a", "target": 3}, r"the target of example #1 is 3 \(int\), not a string"),
        ({"text": "a", "target": ["b"]}, r"the target of example #1 is \['b'\] \(list\), not a string"),
    ],
)
def test_a_target_that_is_no_text_is_refused_before_the_model_is_asked(row: dict[str, Any], message: str) -> None:
    model = PairTable(TABLE)
    with pytest.raises(MisuseError, match=message):
        answers(model, [ROWS[0], row], PairScore())
    assert model.calls == []


def test_a_text_without_tokens_is_refused() -> None:
    with pytest.raises(MisuseError, match="the text ' ' has no tokens"):
        answers(MaskedModel(*tiny_bert()), ["fine", " "], MaskedScore())


def test_a_choice_about_the_end_token_is_refused_where_there_is_none() -> None:
    with pytest.raises(MisuseError, match=r"PairTable.score_pairs has no keyword score_eos: .* use score_eos=None"):
        answers(PairTable(TABLE), ROWS, PairScore(score_eos=False))


def test_the_choice_about_the_end_token_reaches_the_model() -> None:
    model = EncoderDecoderModel(*tiny_t5())
    own, yes, no = (answers(model, ROWS, PairScore(choice)) for choice in (None, True, False))
    assert own == yes
    assert [output[:-1] for output in yes] == [pytest.approx(output) for output in no]


@pytest.mark.parametrize(
    ("model", "request_", "message"),
    [
        (PairTable({}), Score(), r"PairTable cannot say .* given those before it: .* score\(texts\) \(.* conditional_"),
        (
            MaskedTable({}),
            PairScore(),
            r"MaskedTable cannot say .* given its source: .* score_pairs\(pairs\) \(.* pseudo_",
        ),
        (UniformModel(), MaskedScore(), r"UniformModel cannot say .* when it is masked: .* by perplexity\)"),
        (CharacterModel(), PairScore(), r"CharacterModel cannot say .* by perplexity\)"),
        (CharacterModel(), MaskedScore(), r"CharacterModel cannot say .* by perplexity\)"),
    ],
)
def test_a_model_that_cannot_answer_is_named_with_what_could(model: AnyModel, request_: Task, message: str) -> None:
    with pytest.raises(MisuseError, match=message):
        answers(model, ROWS, request_)


def test_of_a_pair_the_class_that_people_gave_is_named() -> None:
    with pytest.raises(MisuseError, match=r"BertForMaskedLM cannot say .* by pseudo_perplexity"):
        measure(tiny_bert(), TEXTS, "perplexity")


def test_the_context_is_known_where_the_model_says_it(tiny: TransformersModel) -> None:
    assert context_length(MaskedModel(*tiny_bert()), MaskedScore()) == 128
    assert context_length(MaskedTable({}), MaskedScore()) is None
    assert context_length(tiny, Score(max_length=64)) == 64


@pytest.mark.parametrize("wrong", [0, 1, "yes"])
def test_settings_that_are_no_choice_are_refused(wrong: Any) -> None:
    with pytest.raises(MisuseError, match="score_eos="):
        PairScore(wrong)
    with pytest.raises(MisuseError, match="within_word="):
        MaskedScore(wrong)


def test_nothing_is_asked_twice_in_a_session(monkeypatch: pytest.MonkeyPatch) -> None:
    pairs, masked = PairTable(TABLE), MaskedTable({row["text"]: [-1.0] for row in ROWS})
    for model in (pairs, masked):
        monkeypatch.setattr(model, "fingerprint", lambda: "state", raising=False)
    with remembering():
        for _ in range(2):
            assert answers(pairs, ROWS, PairScore()) == [[0, -1], [-1, -1], [-2, -1]]
            answers(masked, ROWS, MaskedScore())
    assert pairs.calls == [PAIRS]  # both targets of one source
    assert masked.calls == [["eins", "zwei"]]  # one text once


def test_what_the_model_keeps_stays_its_own() -> None:
    import numpy as np

    own = np.array([-1.0])
    model = PairTable({("a", "b"): own})  # type: ignore[dict-item]
    answer(model, [Example("1", "a", "1", target="b")], PairScore())
    own[0] = -2  # the memo makes read-only what it hands out


def test_a_real_model_is_not_run_twice() -> None:
    model = EncoderDecoderModel(*tiny_t5())
    calls: list[int] = []
    model.module.get_encoder().register_forward_hook(lambda *given: calls.append(1))
    with remembering():
        first = measure(model, ROWS, "conditional_perplexity")
        ran = len(calls)
        second = measure(model, ROWS, "conditional_bits_per_byte")
    assert len(calls) == ran > 0
    assert first.statistics[:, 0].tolist() == second.statistics[:, 0].tolist()
