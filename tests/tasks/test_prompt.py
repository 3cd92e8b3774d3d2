"""Prompts: templates, worked examples, chats, and errors that say what is wrong with a template."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_llm import Example, MisuseError, Prompt, embedded, load_examples
from pytest_llm.inference.writing import prompt_of
from pytest_llm.models.transformers_model import TransformersModel

ROWS = load_examples(
    [
        {"id": "one", "text": "eins", "target": "one", "topic": "numbers"},
        {"id": "two", "text": "zwei", "target": ("two", "a pair"), "topic": "numbers"},
        {"id": "pick", "text": "drei?", "choices": ["four", "three"], "target": 1, "topic": "numbers"},
    ]
)
ONE, TWO, PICK = ROWS


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{text}", "eins"),
        ("German: {text}\nEnglish:", "German: eins\nEnglish:"),
        ("{topic}: {text} is {target} is {choice}", "numbers: eins is one is one"),
        ("{{text}} is {text}", "{text} is eins"),
        ("no column at all", "no column at all"),
        (lambda example: example.text.upper(), "EINS"),
    ],
)
def test_templates_hold_the_columns_of_the_row(template: Any, text: str) -> None:
    assert Prompt(template).text(ONE) == text


def test_of_several_references_the_first_stands_in_the_template() -> None:
    assert Prompt("{target}").text(TWO) == "two"


def test_of_a_number_of_a_choice_its_text_is_the_choice() -> None:
    assert Prompt("{text} {target} {choice}").text(PICK) == "drei? 1 three"


def test_a_number_beyond_the_choices_stands_for_itself() -> None:
    (example,) = load_examples([{"text": "a", "choices": ["x", "y"], "target": 2}])
    assert Prompt("{choice}").text(example) == "2"


def test_worked_examples_stand_before_the_prompt() -> None:
    prompt = Prompt("{text}", " = {target}", shots=[ONE, TWO])
    assert prompt.text(PICK) == "eins = one\n\nzwei = two\n\ndrei?"
    assert (
        Prompt("{text}", shots=[ONE], separator=" | ", system="Translate!").text(PICK)
        == "Translate! | eins one | drei?"
    )


def test_an_example_is_never_its_own_shot() -> None:
    prompt = Prompt("{text}", " = {target}", shots=ROWS[:2])
    assert prompt.text(ONE) == "zwei = two\n\neins"
    assert [turn["content"] for turn in prompt.messages(TWO)] == ["eins", "= one", "zwei"]


def test_rows_without_ids_are_known_by_their_text_and_target() -> None:
    rows: list[dict[str, str]] = [{"text": "a", "target": "x"}, {"text": "b", "target": "y"}]
    assert Prompt("{text}", "={target}", shots=rows).text(load_examples(rows)[0]) == "b=y\n\na"


def test_shots_are_whatever_holds_rows() -> None:
    prompt = Prompt(shots=embedded("data/translation_en_de.jsonl"))
    assert len(prompt.shots) == 200
    with pytest.raises(MisuseError, match="nowhere"):
        Prompt(shots="nowhere.jsonl")


def test_a_chat_has_turns() -> None:
    prompt = Prompt("{text}", " {target}", shots=[ONE], chat=True, system="Translate!")
    assert prompt.messages(TWO) == [
        {"role": "system", "content": "Translate!"},
        {"role": "user", "content": "eins"},
        {"role": "assistant", "content": "one"},
        {"role": "user", "content": "zwei"},
    ]


TURNS = "{% for m in messages %}<{{ m['role'] }}>{{ m['content'] }}</>{% endfor %}"
CHAT_TEMPLATE = TURNS + "{% if add_generation_prompt %}<assistant>{% endif %}"


def test_the_tokenizers_own_chat_template_is_used_where_there_is_one(
    tiny: TransformersModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompt = Prompt("{text}", shots=[ONE], chat=True)
    plain = prompt_of(tiny, TWO, prompt)
    assert plain == prompt.text(TWO) == "eins one\n\nzwei"  # tiny-decoder has none
    monkeypatch.setattr(tiny.tokenizer, "chat_template", CHAT_TEMPLATE)
    assert prompt_of(tiny, TWO, prompt) == "<user>eins</><assistant>one</><user>zwei</><assistant>"
    assert prompt_of(tiny, TWO, Prompt("{text}", shots=[ONE])) == plain  # not asked for
    assert prompt_of(object(), TWO, prompt) == plain  # a model of one's own has no tokenizer


@pytest.mark.smollm2
def test_the_template_of_a_real_model(smollm2: TransformersModel) -> None:
    written = prompt_of(smollm2, TWO, Prompt("{text}", chat=True, system="Translate!"))
    assert written == (
        "<|im_start|>system\nTranslate!<|im_end|>\n<|im_start|>user\nzwei<|im_end|>\n<|im_start|>assistant\n"
    )


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{", r"template='\{': .*; write \{\{ and \}\} for braces that are meant"),
        ("{text", "write {{ and }} for braces"),
        ("{}", "name the column in each pair of braces, such as {text}"),
        ("{0}", "name the column in each pair of braces"),
        (3, r"template=3: expected a string such as 'Translate: \{text\}', or a function"),
        (None, "template=None: expected a string"),
    ],
)
def test_a_broken_template_is_refused_where_it_is_written(template: Any, message: str) -> None:
    with pytest.raises(MisuseError, match=message):
        Prompt(template)
    with pytest.raises(MisuseError, match=message.replace("template", "answer")):
        Prompt(answer=template)


def test_a_missing_column_is_named_with_those_there_are() -> None:
    with pytest.raises(
        MisuseError,
        match=r"wants the column 'topik', which example one does not have; it has choice, id, .*text, topic",
    ):
        Prompt("{topik}: {text}").text(ONE)


def test_a_function_that_gives_no_text_is_refused() -> None:
    with pytest.raises(MisuseError, match="the template gave 4 for example one; expected a string"):
        Prompt(lambda example: len(example.text)).text(ONE)  # type: ignore[arg-type, return-value]


@pytest.mark.parametrize(
    "other",
    [
        Prompt("{text}!", shots=[ONE]),
        Prompt("{text}", " is {target}", shots=[ONE]),
        Prompt("{text}", shots=[TWO]),
        Prompt("{text}", shots=[ONE, TWO]),
        Prompt("{text}", shots=[ONE], separator="\n"),
        Prompt("{text}", shots=[ONE], system="Translate!"),
        Prompt("{text}", shots=[ONE], chat=True),
        Prompt("{text}"),
    ],
)
def test_whatever_changes_the_prompt_changes_the_signature(other: Prompt) -> None:
    assert other.signature != Prompt("{text}", shots=[ONE]).signature


def test_the_signature_is_short_and_the_same_in_every_run() -> None:
    assert Prompt("{text}", shots=[ONE]).signature == "prompt:plain-e6792b96|shots:1"
    assert Prompt("{text}", " {target}").signature == Prompt("{text}", " other").signature  # no shot, so no answer


def test_an_example_made_by_hand_has_text_and_target() -> None:
    assert Prompt("{text}={target}").text(Example("1", "a", "1", target="b")) == "a=b"
