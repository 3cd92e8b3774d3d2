"""Promise: counter-examples are kept beside the tests when asked for, tried first, and CI hears of new and returned ones only."""

from __future__ import annotations

import pytest

from pytest_llm.adversarial.corpus import Entry
from pytest_llm.adversarial.edit import Edit
from tests.behaviour.corpora import FILE, LLM, TEXT, stored, with_entries

TEST = """
    from itertools import compress

    import pytest
    from hypothesis import given, settings, strategies as st
    from pytest_llm.adversarial.edit import Edit, EditScript

    TEXT = "a good film"
    EDITS = [Edit(0, 1, "a", "A", "case"), Edit(2, 6, "good", "g00d", "leet"), Edit(7, 11, "film", "flim", "swap")]
    USED = st.tuples(*[st.booleans()] * len(EDITS))  # each shrinks by itself

    @settings(max_examples=40, database=None)
    @given(script=USED.map(lambda used: EditScript(TEXT, tuple(compress(EDITS, used)))))
    def test_label(llm, script):
        assert llm.classify([script.perturbed]) == ["good"]
"""
LEET = Edit(2, 6, "good", "g00d", "leet")
KNOWN = Entry("test_label", TEXT, (LEET,))


@pytest.fixture
def words(pytester: pytest.Pytester) -> pytest.Pytester:
    pytester.makeconftest(LLM)
    pytester.makepyfile(test_words=TEST)
    return pytester


def test_a_new_counter_example_fails_and_nothing_is_written(words: pytest.Pytester) -> None:
    result = words.runpytest_inprocess()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "  + a g00d film",
            "    1. leet@2: 'good' → 'g00d'",
            "  keep it with --llm-update-corpus*",
            "*llm corpus: 1 new*",
        ]
    )
    assert not (words.path / FILE).exists()


def test_it_is_kept_when_asked_for_and_known_from_then_on(words: pytest.Pytester) -> None:
    words.runpytest_inprocess("--llm-update-corpus").assert_outcomes(failed=1)
    (entry,) = stored(words).values()
    assert (entry.id, entry.state, entry.edits, entry.model["name"]) == (KNOWN.id, "open", (LEET,), "Blind")
    result = words.runpytest_inprocess()
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*llm corpus: 1 known*"])


def test_what_was_fixed_must_not_return(words: pytest.Pytester) -> None:
    with_entries(words, Entry("test_label", TEXT, (LEET,), state="fixed"))
    result = words.runpytest_inprocess()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [f"{KNOWN.id} returned: it was fixed, and fails again: *", f"  replay: pytest --llm-replay {KNOWN.id}"]
    )
    result.stdout.fnmatch_lines(["*llm corpus: 1 returned*"])


def test_an_update_does_not_make_a_returned_one_known(words: pytest.Pytester) -> None:
    with_entries(words, Entry("test_label", TEXT, (LEET,), state="fixed"))
    words.runpytest_inprocess("--llm-update-corpus").assert_outcomes(failed=1)
    assert stored(words)[KNOWN.id].state == "fixed"


def test_what_is_accepted_may_fail_and_is_counted(words: pytest.Pytester) -> None:
    with_entries(words, Entry("test_label", TEXT, (LEET,), state="accepted"))
    result = words.runpytest_inprocess()
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*llm corpus: 1 accepted*"])


def test_an_open_one_that_holds_becomes_fixed_when_asked_for(words: pytest.Pytester) -> None:
    harmless = Entry("test_label", TEXT, (Edit(0, 1, "a", "A", "case"),))
    with_entries(words, KNOWN, harmless)
    result = words.runpytest_inprocess()
    result.stdout.fnmatch_lines(["*llm corpus: 1 known, 1 held*"])
    assert stored(words)[harmless.id].state == "open"
    result = words.runpytest_inprocess("--llm-update-corpus")
    result.stdout.fnmatch_lines([f"test_words.jsonl: {harmless.id} open → fixed"])
    assert {name: entry.state for name, entry in stored(words).items()} == {KNOWN.id: "open", harmless.id: "fixed"}


def test_a_known_failure_is_no_verdict_of_a_test_that_passes(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(LLM)
    pytester.makepyfile(
        test_words="""
        from hypothesis import given, strategies as st
        from pytest_llm import assert_accuracy_above

        class TestAll:
            @given(text=st.sampled_from(["a good film", "a bad film"]))
            def test_text(self, llm, text):
                assert_accuracy_above(llm, [{"text": text, "target": "good"}], 0.5)
    """
    )
    with_entries(pytester, Entry("TestAll::test_text", "a bad film", drawn="text"))
    result = pytester.runpytest_inprocess("-vv")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*llm corpus: 1 known*", "PASSED * accuracy 1 is above 0.5*"])
    assert "FAILED" not in result.stdout.str()


def test_one_counter_example_is_replayed_alone(words: pytest.Pytester) -> None:
    with_entries(words, KNOWN)
    words.makepyfile(test_other="def test_other(): pass\n")
    result = words.runpytest_inprocess("--llm-replay", KNOWN.id[:6])
    result.assert_outcomes(failed=1, deselected=1)
    result.stdout.fnmatch_lines(["*explicit example*", "*script=EditScript(*"])


def test_replaying_what_is_not_there_is_a_usage_error(words: pytest.Pytester) -> None:
    result = with_entries(words, KNOWN).runpytest_inprocess("--llm-replay", "nothing")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*no test that was collected has a counter-example nothing*"])


def test_a_file_that_cannot_be_read_fails_the_tests_that_need_it(words: pytest.Pytester) -> None:
    with_entries(words, KNOWN)
    (words.path / FILE).write_text("<<<<<<< HEAD\n")
    result = words.runpytest_inprocess()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*test_words.jsonl:1: *a merge was left unfinished*"])


def test_a_stale_one_warns_and_is_not_tried(words: pytest.Pytester) -> None:
    stale = Entry("test_label", "another text", (LEET,))
    with_entries(words, KNOWN, stale)
    result = words.runpytest_inprocess("-Wdefault")
    result.assert_outcomes(passed=1, warnings=1)
    result.stdout.fnmatch_lines([f"*{stale.id} is stale, and was not tried*", "*llm corpus: 1 known, 1 stale*"])


def test_the_whole_corpus_is_asked_about_at_once(pytester: pytest.Pytester) -> None:
    pytester.makeconftest("""
        import math, pytest

        class Counting:
            calls = []
            def score(self, texts):
                self.calls.append(len(texts))
                return [[-math.log(8)] * len(text) for text in texts]

        @pytest.fixture(scope="session")
        def llm():
            return Counting()
    """)
    pytester.makepyfile(
        test_words="""
        from hypothesis import given, settings, strategies as st
        from pytest_llm import assert_perplexity_below

        @settings(max_examples=1, database=None)
        @given(text=st.just("drawn"))
        def test_text(llm, text):
            assert_perplexity_below(llm, [text], 10)

        def test_calls(llm):
            assert llm.calls == [3, 1]
    """
    )
    texts = [Entry("test_text", text, drawn="text", state="fixed") for text in ("one", "two", "three")]
    result = with_entries(pytester, *texts).runpytest_inprocess()
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["*llm corpus: 3 held*"])


OTHERS = """
    from hypothesis import given, settings, strategies as st
    from pytest_llm.adversarial import prompt_formats, templates, token_edits
    from pytest_llm.adversarial.token_edit import TokenOperation

    NONE = settings(max_examples=20, database=None, derandomize=True)

    @NONE
    @given(filled=templates("{who} is {a:job}", who=["Anna", "Bob"], job=["nurse", "engineer"]))
    def test_template(llm, filled):
        assert filled.text != "Bob is an engineer"

    @NONE
    @given(layout=prompt_formats(spacings=["\\n", " || "]))
    def test_layout(llm, layout):
        assert layout.spacing == "\\n"

    @NONE
    @given(script=token_edits([1, 2], operations=[TokenOperation("next", "likely", 1, lambda id: [(id + 1,)], str)]))
    def test_tokens(llm, script):
        assert not script.edits

    @NONE
    @given(one=st.just("a"), two=st.just("b"))
    def test_two(llm, one, two):
        assert False
"""


def test_templates_and_layouts_are_kept_and_what_is_not_says_why(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(LLM)
    pytester.makepyfile(test_words=OTHERS)
    result = pytester.runpytest_inprocess("--llm-update-corpus")
    result.assert_outcomes(failed=4)
    result.stdout.fnmatch_lines(["*llm corpus: 2 new, 2 not kept*"])
    result.stdout.fnmatch_lines(["test_words.jsonl: test_tokens has one that is not kept: token ids are another text*"])
    result.stdout.fnmatch_lines(
        ["test_words.jsonl: test_two has one that is not kept: it draws one, two, and an entry is *"]
    )
    entries = {entry.test: entry for entry in stored(pytester).values()}
    assert set(entries) == {"test_template", "test_layout"}
    assert entries["test_template"].text == "Bob is an engineer"
    known = pytester.runpytest_inprocess()
    known.assert_outcomes(passed=2, failed=2)
    known.stdout.fnmatch_lines(["*llm corpus: 2 known*"])
    alone = pytester.runpytest_inprocess("--llm-replay", entries["test_layout"].id)
    alone.assert_outcomes(failed=1, deselected=3)
    alone.stdout.fnmatch_lines(["*layout=PromptFormat(*"])


@pytest.mark.slow
def test_workers_leave_writing_to_one_process(words: pytest.Pytester) -> None:
    again = TEST[TEST.index("    @settings") :].replace("test_label", "test_again")
    words.makepyfile(test_words=TEST + again)
    words.runpytest_inprocess("-n2", "--llm-update-corpus").assert_outcomes(failed=2)
    assert {entry.test for entry in stored(words).values()} == {"test_label", "test_again"}
