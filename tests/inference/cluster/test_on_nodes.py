"""A real cluster of two nodes on loopback: the numbers of this process, whatever dies meanwhile."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pytest_llm import Cluster, Engine, Measurement, embedded, load_examples, measure
from pytest_llm.errors import MisuseError
from pytest_llm.inference.cluster.asking import answers, closing
from pytest_llm.inference.cluster.connection import connected
from pytest_llm.inference.engine import ask, using
from pytest_llm.inference.memo import remembering
from pytest_llm.models.transformers_model import TransformersModel
from tests.inference.cluster.mortal import Wounded, report
from tests.ray_clusters import NODE

ON_NODES = Engine(cluster=Cluster(actors=2))


@pytest.fixture(scope="module", autouse=True)
def connection(ray_cluster: Any) -> Iterator[None]:
    with closing(), pytest.MonkeyPatch.context() as patch:
        patch.delenv("PYTEST_XDIST_WORKER_COUNT", raising=False)  # each worker has a cluster of its own here
        yield


@pytest.mark.parametrize("handler", [signal.SIG_IGN, signal.SIG_DFL])
def test_a_handler_of_sigterm_stays_and_without_one_it_is_ctrl_c(handler: signal.Handlers) -> None:
    signal.signal(signal.SIGTERM, handler)
    with closing():
        assert connected(Cluster()).is_initialized()
        assert signal.getsignal(signal.SIGTERM) is (handler or signal.default_int_handler)
    assert signal.getsignal(signal.SIGTERM) is handler


def test_nodes_share_the_work_and_a_killed_actor_loses_nothing(tmp_path: Path) -> None:
    texts = [f"text {number}" for number in range(6)]
    with using(ON_NODES):
        model = Wounded(tmp_path, together=2)
        found = ask(model, "report", texts)
        assert [text for text, _ in found] == texts
        workers = {process for _, process in found}
        assert len(workers) == 2
        assert os.getpid() not in workers
        texts.insert(3, "once")  # whoever is killed may have answered before, and take that answer along
        assert [text for text, _ in ask(model, "report", texts)] == texts
        with pytest.raises(ZeroDivisionError, match="the model's own mistake"):
            ask(model, "report", ["a", "fail"])
        with pytest.raises(MisuseError, match=r"3 actors in a row ended while they answered about 1 item \('always'\)"):
            ask(model, "report", ["always"])


# old releases of Ray leave log files open
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_killed_node_loses_nothing(ray_cluster: Any, tmp_path: Path) -> None:
    doomed = ray_cluster.add_node(**NODE)
    stretches = [[f"text {number}"] for number in range(60)]
    found: dict[int, Any] = {}
    for number, outputs in answers(Cluster(), Wounded(tmp_path), report, iter(stretches), deterministic=False):
        assert number not in found
        found[number] = outputs
        if len(found) == 10:
            ray_cluster.remove_node(doomed, allow_graceful=False)
    assert [found[number][0][0] for number in range(60)] == [text for (text,) in stretches]


@pytest.mark.slow  # examples/test_on_a_cluster.py compares more texts in each run
def test_a_checkpoint_gives_the_numbers_of_this_process_to_the_last_bit(tiny: TransformersModel) -> None:
    data = load_examples(embedded("data/held_out.jsonl"))[:8]

    def measured(engine: Engine) -> Measurement:
        with remembering():  # nothing is looked up
            return measure(tiny, data, "perplexity", engine=engine)

    here = measured(Engine(deterministic=True))
    for device_map in (None, "auto"):
        there = measured(Engine(deterministic=True, cluster=Cluster(actors=2, device_map=device_map)))
        assert np.array_equal(here.statistics, there.statistics)
        assert here.examples == there.examples
    together = measured(ON_NODES)
    # other texts in a batch: as between two local plans
    assert together.statistics == pytest.approx(measured(Engine()).statistics, rel=1e-6)
