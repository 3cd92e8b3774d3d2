"""A measurement as data, and back: what `schema` 2 of a run record says of one.

    metric, settings                  name and settings, from which the metric can be made again (`metrics.settings`)
    value, interval, estimate         the value; its 95 % interval, for readers; what the interval is computed from
    lower_is_better, scale, is_sum    which way is good; "log" where errors are relative; whether it is a function of sums
    counts, row, signature            what the last statistic counts; what a row is about; the settings in words
    data, left_out                    how reports call the data; how many examples `--llm-limit` left out
    stopped                           null, or how a gate was decided before all of the data was seen
    model                             name, dtype, device and its kind, digests of weights and tokenizer
    aside                             whether it is of what the test's model is compared with
    recorded                          when and with what, if that is not this run but an older record
    overview, remedy, without_interval    texts for messages
    ids, contents, labels, clusters   of each example: its id; a hash of text and target; how reports call it and what it belongs
                                      to, both null where the id says it all
    statistics, example_values        what each example adds to the sums; its value by itself
    outputs                           what the model gave, or null where that says nothing to a reader

Texts of examples are not kept, only hashes: who reads a record back has the data, or does without.
"""

from __future__ import annotations

from typing import Any

from pytest_llm.data.example import StoredExample
from pytest_llm.data.provenance import Identity, Provenance
from pytest_llm.judging.measurement import Measurement
from pytest_llm.models.devices import device_class
from pytest_llm.records.estimates import SCALES, estimate_as_data, estimate_from
from pytest_llm.records.outputs import outputs_as_data, outputs_from
from pytest_llm.records.stopped import stopped_as_data, stopped_from
from pytest_llm.storage.checked import Checked
from pytest_llm.storage.numbers import number, numbers

_TEXTS = ("counts", "row", "signature", "data", "overview", "remedy", "without_interval")
NOT_DATA = ("aggregate", "value_of_each", "explain", "again")
"""What is made again of the metric, or takes the model."""


def measurement_as_data(m: Measurement, *, aside: bool = False) -> dict[str, Any]:
    """As in the table above. The model is asked for its identity, which reads all weights."""
    identity, interval = m.identity(), None if m.estimate is None else m.estimate.interval()
    named = all(example.label == example.id for example in m.examples)
    alone = all(example.cluster is None for example in m.examples)
    return {
        "metric": m.metric,
        "settings": dict(m.settings),
        "value": number(m.value),
        "interval": None if interval is None else [number(interval.low), number(interval.high)],
        "estimate": None if m.estimate is None else estimate_as_data(m.estimate),
        "lower_is_better": m.lower_is_better,
        "scale": m.scale,
        "is_sum": m.aggregate is not None,
        **{name: getattr(m, name) for name in _TEXTS},
        "left_out": m.left_out,
        "stopped": None if m.stopped is None else stopped_as_data(m.stopped),
        "model": {
            "name": m.provenance.model,
            "dtype": m.provenance.dtype,
            "device": m.provenance.device,
            "hardware": m.provenance.hardware or device_class(m.provenance.device),
            "weights": identity.weights,
            "tokenizer": identity.tokenizer,
        },
        "aside": aside,
        "recorded": dict(m.recorded),
        "ids": [example.id for example in m.examples],
        "contents": [example.content for example in m.examples],
        "labels": None if named else [example.label for example in m.examples],
        "clusters": None if alone else [example.cluster for example in m.examples],
        "statistics": numbers(m.statistics),
        "example_values": numbers(m.example_values),
        "outputs": outputs_as_data(m.outputs),
    }


def measurement_from(content: Checked) -> Measurement:
    """The measurement, of examples without their texts, and without what is made of its metric (`NOT_DATA`).

    Raises:
        MisuseError: something is missing, of another kind, or does not fit the rest.
    """
    model = content.part("model")
    identity = Identity(model.text("weights"), model.text("tokenizer"))
    examples = _examples(content)
    statistics, values = content.matrix("statistics"), content.vector("example_values")
    outputs = outputs_from(content) if content.has("outputs") else None
    if not len(examples) == len(statistics) == len(values) == len(examples if outputs is None else outputs):
        content.refuse("there are not as many statistics, values or outputs as examples")
    texts: dict[str, Any] = {name: content.text(name) for name in _TEXTS}
    return Measurement(
        metric=content.text("metric"),
        value=content.number("value"),
        lower_is_better=content.flag("lower_is_better"),
        estimate=estimate_from(content.part("estimate")) if content.has("estimate") else None,
        examples=examples,
        statistics=statistics,
        example_values=values,
        provenance=Provenance(*map(model.text, ("name", "dtype", "device", "hardware"))),
        outputs=outputs,
        scale=content.one_of("scale", SCALES),
        identity=lambda: identity,
        left_out=content.whole("left_out"),
        stopped=stopped_from(content.part("stopped")) if content.has("stopped") else None,
        settings=content.mapping("settings"),
        recorded=content.text_by_name("recorded"),
        **texts,
    )


def _examples(content: Checked) -> tuple[StoredExample, ...]:
    ids, contents = content.texts("ids"), content.texts("contents")
    labels = content.texts("labels") if content.has("labels") else ids
    clusters = content.listed("clusters") if content.has("clusters") else [None] * len(ids)
    if not len(ids) == len(contents) == len(labels) == len(clusters) or not ids:
        content.refuse("there are no examples, or not as many contents, labels or clusters")
    if not all(cluster is None or isinstance(cluster, str) for cluster in clusters):
        content.refuse("'clusters' holds something that is neither a text nor null")
    if len(set(ids)) < len(ids):
        content.refuse("an id stands twice in 'ids'")
    return tuple(
        StoredExample(id_, "", label, cluster, content=hashed)
        for id_, label, cluster, hashed in zip(ids, labels, clusters, contents, strict=True)
    )
