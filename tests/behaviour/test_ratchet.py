"""Promise: of an attack only what is new fails, and what returned; what is known is set aside by name, and said first."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_llm.adversarial.corpus import Entry, read_corpus, write_corpus
from pytest_llm.adversarial.edit import Edit

LLM = """
    import pathlib
    import pytest

    class Weak:
        \"\"\"Takes a text for bad if all words of a line of weak.txt are in it.\"\"\"

        def classify(self, texts):
            lines = pathlib.Path("weak.txt").read_text().splitlines()
            return ["bad" if any(set(line.split()) <= set(text.split()) for line in lines) else "good" for text in texts]

    @pytest.fixture(scope="session")
    def llm():
        return Weak()
"""
ATTACK = """
    from pytest_llm import assert_robust
    from pytest_llm.adversarial.operation import Operation, of_words

    UPPER = Operation("test.upper", "character", "likely", 1, of_words(lambda word: [word.upper()]))

    def test_upper(llm):
        assert_robust(llm, ["a good film", "no film", "a good play"], attack=UPPER, max_success_rate=0)
"""
FILE = Path("llm_corpus/test_words.jsonl")


def upper(text: str, *words: str) -> Entry:
    places = [(text.index(word), word) for word in words]
    edits = tuple(Edit(at, at + len(word), word, word.upper(), "test.upper") for at, word in places)
    return Entry("test_upper", text, edits, "invariant_label")


GOOD_FILM, GOOD_PLAY = upper("a good film", "good"), upper("a good play", "good")


@pytest.fixture
def words(pytester: pytest.Pytester) -> pytest.Pytester:
    pytester.makeconftest(LLM)
    pytester.makepyfile(test_words=ATTACK)
    return pytester


def run(words: pytest.Pytester, weak: str, *options: str) -> pytest.RunResult:
    (words.path / "weak.txt").write_text(weak)
    return words.runpytest_inprocess("-p", "no:cacheprovider", *options)


def states(words: pytest.Pytester) -> dict[str, str]:
    return {name: entry.state for name, entry in read_corpus(words.path / FILE).items()}


def test_only_what_is_new_fails_and_what_returned(words: pytest.Pytester) -> None:
    run(words, "GOOD", "--llm-update-corpus").assert_outcomes(failed=1)
    assert states(words) == {GOOD_FILM.id: "open", GOOD_PLAY.id: "open"}

    known = run(words, "GOOD", "-vv")
    known.assert_outcomes(passed=1)
    known.stdout.fnmatch_lines(
        [
            "*llm corpus: 2 known*",
            "PASSED * attack success rate 0.6667 is over 0, by nothing new: 2 of 3 texts break, all by known counter-examples *",
        ]
    )

    worse = run(words, "GOOD\nNO")
    worse.assert_outcomes(failed=1)
    worse.stdout.fnmatch_lines(
        [
            "E *attack success rate 1 is over 0: 3 of 3 texts break, 1 of them anew; p = 0",
            "E *set aside  2 texts that known counter-examples break: 1 with them, 0.3333 without",
            "E * + NO film *",
            "*llm corpus: 1 new, 2 known*",
        ]
    )
    assert "GOOD" not in worse.stdout.str()

    run(words, "", "--llm-update-corpus").assert_outcomes(passed=1)
    assert states(words) == {GOOD_FILM.id: "fixed", GOOD_PLAY.id: "fixed"}

    again = run(words, "GOOD")
    again.assert_outcomes(failed=1)
    again.stdout.fnmatch_lines(["E *not free of what was fixed: * fails: 'a GOOD *", "*llm corpus: 2 returned*"])


def test_fewer_edits_of_a_known_text_are_news(words: pytest.Pytester) -> None:
    write_corpus(words.path / FILE, [upper("a good film", "good", "film")])
    run(words, "GOOD FILM").assert_outcomes(passed=1)
    fewer = run(words, "GOOD")
    fewer.assert_outcomes(failed=1)
    fewer.stdout.fnmatch_lines(["E * + a GOOD film *"])


def test_another_edit_of_that_size_is_said_and_kept_and_fails_nothing(words: pytest.Pytester) -> None:
    write_corpus(words.path / FILE, [GOOD_FILM])
    weaker = "GOOD film\nA film"
    run(words, weaker, "-rP").stdout.fnmatch_lines(["*llm corpus: 1 known*"])
    result = run(words, weaker, "--llm-update-corpus")
    result.assert_outcomes(passed=1)
    assert states(words) == {GOOD_FILM.id: "open", upper("a good film", "a").id: "open"}


def test_what_holds_excuses_nothing(words: pytest.Pytester) -> None:
    write_corpus(words.path / FILE, [GOOD_FILM])
    other = run(words, "A film")
    other.assert_outcomes(failed=1)
    other.stdout.fnmatch_lines(
        ["E *attack success rate 0.3333 is over 0: 1 of 3 texts break; p = 0", "*1 new, 1 held*"]
    )


def test_a_record_knows_what_was_known(words: pytest.Pytester) -> None:
    write_corpus(words.path / FILE, [GOOD_FILM, GOOD_PLAY])
    run(words, "GOOD", "--llm-json", "run.json").assert_outcomes(passed=1)
    (words.path / FILE).unlink()
    again = run(words, "", "--llm-rejudge", "run.json", "-vv")
    again.assert_outcomes(passed=1)
    again.stdout.fnmatch_lines(["PASSED * 0.6667 is over 0, by nothing new: *"])
