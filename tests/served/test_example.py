"""The example of a served model, with a server."""

from __future__ import annotations

import pytest

from tests.served.real_servers import RealServer
from tests.test_examples import EXAMPLES


@pytest.mark.server
def test_the_example_ends_as_it_says_with_transformers_serve(pytester: pytest.Pytester, serve: RealServer) -> None:
    name = "test_served_model"
    pytester.makepyfile(**{name: (EXAMPLES / f"{name}.py").read_text(encoding="utf-8")})
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider", f"--llm-model={serve.url}")
    result.assert_outcomes(passed=3, failed=1)
    result.stdout.fnmatch_lines(
        [
            "E *the server 127.0.0.1:* gives no log-probabilities of a prompt's tokens that can be trusted*"
            "echo: it does not repeat the prompt, although echo was asked for*Unexpected fields in the request*"
        ]
    )
