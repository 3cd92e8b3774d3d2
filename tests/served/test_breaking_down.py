"""A server that breaks down in the midst of a run: the run ends right once it is back, or the next run goes on from the cache."""

from __future__ import annotations

import json
import re
from pathlib import Path
from threading import Thread
from time import monotonic, sleep

import pytest

from pytest_llm import Decoding, Endpoint, embedded, load_examples, measure
from pytest_llm.models.transformers_model import TransformersModel
from tests.served.echo_server import Served
from tests.served.real_servers import running, transformers_serve

TEXTS = [" ".join(example.text.split()[:12]) for example in load_examples(embedded("data/held_out.jsonl"))][:12]
SHORT = Decoding(max_tokens=4)
LONG = [" ".join(example.text.split()[:60]) for example in load_examples(embedded("data/held_out.jsonl"))]


def in_background(server: Served) -> Served:
    Thread(target=server.serve_forever, daemon=True).start()
    return server


@pytest.mark.slow
def test_a_run_ends_right_with_a_server_that_comes_back(tiny: TransformersModel, echo_server: Served) -> None:
    first = in_background(Served(echo_server.model, answers=5))
    port, back = int(first.server_address[1]), list[Served]()

    def come_back() -> None:
        first.is_down.wait()  # before that, its port is taken
        back.append(in_background(Served(echo_server.model, port)))

    bringing = Thread(target=come_back, daemon=True)
    bringing.start()
    served = Endpoint(first.url, concurrency=2, retries=10)

    assert served.generate(TEXTS, SHORT) == list(tiny.generate(TEXTS, SHORT))

    bringing.join()
    back[0].shutdown()
    back[0].server_close()
    assert served.usage.retries > 0
    assert served.usage.requests == len(TEXTS)
    assert 0 < back[0].asked <= len(TEXTS) - 5 + served.usage.retries, "what was answered is not asked again"


def test_the_next_run_goes_on_from_the_cache(
    pytester: pytest.Pytester, echo_server: Served, tiny: TransformersModel
) -> None:
    pytester.makeconftest("""
        import pytest
        from pytest_llm import Endpoint

        @pytest.fixture(scope="session")
        def llm(pytestconfig):
            url = pytestconfig.getoption("--llm-model")
            return Endpoint(url, prefix="<|endoftext|>", cache_as="r1", concurrency=1, retries=0)
    """)
    pytester.makepyfile(f"""
        from pytest_llm import assert_perplexity_below

        def test_gate(llm):
            assert_perplexity_below(llm, {LONG!r}, 1000)
    """)
    first = in_background(Served(echo_server.model, answers=26))
    arguments = ("-p", "no:cacheprovider", f"--llm-model={first.url}", "--llm-cache=kept", "--llm-json=record.json")

    broken = pytester.runpytest_inprocess(*arguments)
    broken.assert_outcomes(failed=1)
    broken.stdout.fnmatch_lines(["E *MisuseError: the server 127.0.0.1:* did not answer /completions: *"])
    back = in_background(Served(echo_server.model, int(first.server_address[1])))
    pytester.runpytest_inprocess(*arguments).assert_outcomes(passed=1)
    back.shutdown()
    back.server_close()

    assert first.asked == 27
    assert back.asked < 20, "what is in the cache is not asked again"
    record = json.loads((pytester.path / "record.json").read_text(encoding="utf-8"))
    expected = measure(tiny, LONG, "perplexity").value
    assert record["tests"][0]["measurements"][0]["value"] == pytest.approx(expected, rel=1e-5)


@pytest.mark.slow
@pytest.mark.server
def test_transformers_serve_is_killed_and_started_again(
    checkpoint: Path, tmp_path: Path, tiny: TransformersModel
) -> None:
    with running(transformers_serve(checkpoint, tmp_path)) as server:

        def kill_and_start() -> None:
            patience = monotonic() + 60
            while len(re.findall("POST", server.said())) < 3 and monotonic() < patience:
                sleep(0.005)
            server.kill()
            server.start()

        killer = Thread(target=kill_and_start, daemon=True)
        killer.start()
        decoding = Decoding(max_tokens=60)
        served = Endpoint(server.url, concurrency=2, retries=30)
        assert served.generate(TEXTS, decoding) == list(tiny.generate(TEXTS, decoding))
        killer.join()
        assert served.usage.retries > 0
