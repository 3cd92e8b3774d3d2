"""Promise: an attack's rate is recorded and judged again like any number, and a failure shows what cannot be seen by its name."""

from __future__ import annotations

import pytest

SUITE = """
from pytest_llm import assert_robust
from pytest_llm.adversarial import Budget

TEXTS = [{"text": f"a good film, number {place}", "target": "positive"} for place in range(12)]

class Reader:
    def classify(self, texts):
        return ["positive" if "good" in text else "negative" for text in texts]

def test_it(llm):
    assert_robust(llm, TEXTS, attack="unicode.zerowidth", budget=Budget(max_edits=1), max_success_rate=LIMIT)
"""
READER = """
    import pytest

    @pytest.fixture(scope="session")
    def llm():
        from test_it import Reader
        return Reader()
"""
NO_MODEL = """
    import pytest

    @pytest.fixture(scope="session")
    def llm():
        raise RuntimeError("a model was loaded")
"""


def test_a_failure_shows_what_cannot_be_seen_and_a_record_is_judged_by_todays_rate(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(READER)
    pytester.makepyfile(test_it=SUITE.replace("LIMIT", "0.1"))
    failed = pytester.runpytest_inprocess("-p", "no:cacheprovider", "--llm-json", "run.json")
    failed.assert_outcomes(failed=1)
    message = [
        "E *attack success rate 1 is over 0.1: 12 of 12 texts break; p = 1e-12",
        "E * + a go<U+200C ZERO WIDTH NON-JOINER>od film, number 0 *label 'negative', probability 1",
        "E *1. unicode.zerowidth@2: 'good' → 'go<U+200C ZERO WIDTH NON-JOINER>od'",
    ]
    failed.stdout.fnmatch_lines(message)
    pytester.makeconftest(NO_MODEL)
    again = pytester.runpytest_inprocess("-p", "no:cacheprovider", "--llm-rejudge", "run.json")
    again.assert_outcomes(failed=1)
    again.stdout.fnmatch_lines(message)
    pytester.makepyfile(test_it=SUITE.replace("max_success_rate=LIMIT", "strict=True, max_success_rate=0.999"))
    stricter = pytester.runpytest_inprocess("-p", "no:cacheprovider", "-vv", "--llm-rejudge", "run.json")
    stricter.stdout.fnmatch_lines(["FAILED * attack success rate 1 is over 0.999: 12 of 12 texts break*"])
    pytester.makepyfile(test_it=SUITE.replace("unicode.zerowidth", "typo").replace("LIMIT", "0.1"))
    other = pytester.runpytest_inprocess("-p", "no:cacheprovider", "--llm-rejudge", "run.json")
    other.stdout.fnmatch_lines(
        ["E *MisuseError: attack_success_rate of * is not in run.json*, as this test measures it: settings: *"]
    )
