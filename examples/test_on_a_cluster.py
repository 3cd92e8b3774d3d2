"""The same tests on one machine and on a Ray cluster, with the same numbers.

    pytest test_on_a_cluster.py                      # here
    ray start --head                                 # and, on other machines, ray start --address=HEAD:6379
    pytest test_on_a_cluster.py --llm-engine ray     # by all of their CPUs; with --llm-ray-gpus 1 by their GPUs

The second test measures the shipped data in the way that the command line says, and here, one text at a time.
"""

import numpy as np

from pytest_llm import Engine, assert_perplexity_below, embedded, load_examples, measure
from pytest_llm.inference.engine import current_engine
from pytest_llm.inference.memo import remembering
from pytest_llm.models.language_model import AnyModel

TEXTS = load_examples(embedded("data/held_out.jsonl"))


def test_perplexity(llm: AnyModel) -> None:
    assert_perplexity_below(llm, TEXTS, 45)


def test_each_text_has_the_number_that_it_has_here(llm: AnyModel) -> None:
    one_at_a_time = Engine(deterministic=True, cluster=current_engine().cluster)
    with remembering():  # nothing is looked up that was answered before
        there = measure(llm, TEXTS, "perplexity", engine=one_at_a_time)
    with remembering():
        here = measure(llm, TEXTS, "perplexity", engine=Engine(deterministic=True))
    assert np.array_equal(here.statistics, there.statistics)
    assert here.value == there.value
