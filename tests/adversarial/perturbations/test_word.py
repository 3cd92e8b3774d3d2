"""Other words for the same, other numbers, another meaning."""

from __future__ import annotations

import pytest

from pytest_llm.adversarial.perturbations.families import EVERYTHING
from pytest_llm.adversarial.table import candidate_table


def perturbed(text: str, operation: str) -> list[str]:
    table = candidate_table(text, EVERYTHING)
    return [table.script([edit]).perturbed for edit in table if edit.operation == operation]


@pytest.mark.parametrize(
    ("text", "operation", "made"),
    [
        ("It is fine.", "word.contraction", ["It's fine."]),
        ("I do not.", "word.contraction", ["I don't."]),
        ("Don’t go.", "word.contraction", ["Do not go."]),
        ("three films", "word.number", ["3 films"]),
        ("Seven of 20", "word.number", ["7 of 20", "Seven of twenty"]),
        ("no one", "word.number", []),
        ("三个演员", "word.number", ["3个演员"]),
        ("3个演员", "word.number", ["三个演员"]),
        ("三思", "word.number", []),
        ("in 1999 for 12500", "word.number_format", ["in 1999 for 12,500"]),
        ("on 2024-03-05.", "word.date", ["on 5 March 2024.", "on March 5, 2024."]),
        ("on 5 March 2024", "word.date", ["on March 5, 2024", "on 2024-03-05"]),
        ("May 31, 2023.", "word.date", ["31 May 2023.", "2023-05-31."]),
        ("于2024年3月5日来", "word.date", ["于2024-03-05来"]),
        ("2024-02-30 or 3/5/2024", "word.date", []),
        ("the colour", "word.spelling", ["the color"]),
        ("这个国家", "word.script", ["這个国家", "这個国家", "这个國家"]),
        ("A Film", "word.synonym", ["A Movie"]),
        ("a huge one", "word.synonym", ["an enormous one"]),
        ("An awful one", "word.synonym", ["A dreadful one"]),
        ("an hour of fear", "word.synonym", ["an hour of dread"]),
        ("这部电影", "word.synonym", ["这部影片"]),
        (
            "Emily is in",
            "word.name",
            [f"{name} is in" for name in ["Jane", "Alice", "Susan", "Helen", "Mary", "Olivia", "Sophia"]],
        ),
        ("mark my words", "word.name", []),
        ("He sold his car. I saw him.", "word.pronoun", ["She sold her car. I saw her."]),
        ("It is his, so he's glad", "word.pronoun", ["It is hers, so she's glad"]),
        ("I gave her the book. Her son and she’ll go", "word.pronoun", ["I gave him the book. His son and he’ll go"]),
        ("he and she", "word.pronoun", []),
        ("其他人说他来了，他们等", "word.pronoun", ["其他人说她来了，她们等"]),
        ("很好", "word.filler", ["嗯，很好", "那个，很好", "其实很好"]),
        (
            "it works",
            "word.filler",
            [f"it {word} works" for word in ("really", "just", "basically", "um,", "you know,")],
        ),
        ("we walk", "word.inflection", ["we walks", "we walked", "we walking"]),
        ("so good", "word.repeat", ["so so good", "so good good"]),
        ("so, very good", "word.reorder", ["so, good very"]),
        ("One. Two.", "sentence.swap", ["Two. One."]),
        ("One. Two.", "sentence.repeat", ["One. One. Two.", "One. Two. Two."]),
        ("一。二。", "sentence.repeat", ["一。一。二。", "一。二。二。"]),
        ("One.\nTwo.", "sentence.swap", []),
        ("It is good.", "meaning.negate", ["It is not good."]),
        ("It can be.", "meaning.negate", ["It cannot be."]),
        ("It is not.", "meaning.negate", []),
        ("我喜欢", "meaning.negate", ["我不喜欢"]),
        ("但是他来了", "meaning.negate", []),
        ("It is not. I don't.", "meaning.affirm", ["It is. I don't.", "It is not. I do."]),
        ("We can't.", "meaning.affirm", ["We can."]),
        ("我不喜欢", "meaning.affirm", ["我喜欢"]),
        ("5 of nine", "meaning.number", ["6 of nine", "4 of nine", "50 of nine", "5 of ten", "5 of eight"]),
        ("三个", "meaning.number", ["四个", "二个"]),
        (
            "5 km, ten miles",
            "meaning.unit",
            [
                *(f"5 {unit}, ten miles" for unit in ("m", "cm", "mm")),
                *(f"5 km, ten {unit}" for unit in ("yards", "feet", "inches")),
            ],
        ),
        ("miles away in 5 acts", "meaning.unit", []),
        ("走了三个小时五公里", "meaning.unit", ["走了三个分钟五公里", "走了三个小时五米", "走了三个小时五厘米"]),
        ("玉米", "meaning.unit", []),
        ("Good film", "meaning.opposite", ["Bad film"]),
        ("容易", "meaning.opposite", ["困难"]),
        ("so very good", "meaning.drop", ["very good", "so good", "so very"]),
        ("好看", "meaning.drop", ["看", "好"]),
    ],
)
def test_each_kind(text: str, operation: str, made: list[str]) -> None:
    assert perturbed(text, operation) == made


def test_distractors_speak_the_language_of_the_text() -> None:
    assert "Fine. It was a Tuesday." in perturbed("Fine.", "sentence.distractor")
    assert "好。那天是星期二。" in perturbed("好。", "sentence.distractor")
    assert "Fine. and true is true" in perturbed("Fine.", "sentence.tautology")
    assert "对了，好。" in perturbed("好。", "sentence.opening")
