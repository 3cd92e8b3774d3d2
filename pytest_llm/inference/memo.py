"""What the model has already said: the second test on the same model and texts makes no forward pass, the second session neither.

An answer is remembered under everything that it depends on: the model's fingerprint, which takes in every element of its
weights, the request, and the text (or what else is asked about: a source and its target). A model that has no fingerprint, or
gives None, is asked each time. The plugin binds a memo for the length of a test session; outside pytest nothing is
remembered.

Behind the memo stands the cache on disk, if the plugin has given one, for models that have a `cache_key`: what they are made of,
as text that is the same in every process. Then a model is asked in parts, each of which is on disk before the next one begins, so
that a run that was killed goes on where it was. Which texts are asked together changes the last digits (`engine`), so a run that
goes on may differ there from one that was never killed.

Standard library only: the plugin loads this at start-up.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from pytest_llm.binding import bound
from pytest_llm.inference.planning import Noted, Outputs, current_planning, state_of
from pytest_llm.inference.progress import answered
from pytest_llm.inference.time_budget import is_limited, note_answers, refuse_overrun

if TYPE_CHECKING:
    from pytest_llm.data.example import Example
    from pytest_llm.inference.cache import Cache
    from pytest_llm.inference.cache_file import Question

Item = TypeVar("Item")
Output = TypeVar("Output")

MOST_KEPT = 8
"""How many pairs of a model's state and a request are remembered; the one unused for longest goes first."""


@dataclass
class Tally:
    """Where answers came from; equal questions of one call are one."""

    remembered: int = 0
    """From this session."""
    cached: int = 0
    """From disk: of an earlier session, or of another process."""
    computed: int = 0
    """From the model."""


class Memo:
    """Outputs by text or pair, for each pair of a model's state and a request.

    Args:
        open_cache: gives the cache on disk, when it is first needed; None where there is none.
    """

    def __init__(self, open_cache: Callable[[], Cache | None] | None = None) -> None:
        self._kept: dict[tuple[Hashable, Hashable], Outputs] = {}
        self._open_cache = open_cache
        self._cache: Cache | None = None
        self.tally = Tally()

    def outputs(self, state: Hashable, request: Hashable) -> Outputs:
        """What is known for this pair, to read and to add to."""
        found = self._kept.pop((state, request), {})
        self._kept[state, request] = found  # behind all others: the first is the one unused for longest
        while len(self._kept) > MOST_KEPT:
            del self._kept[next(iter(self._kept))]
        return found

    @property
    def cache(self) -> Cache | None:
        """The cache on disk."""
        if self._open_cache is not None:
            self._cache, self._open_cache = self._open_cache(), None
        return self._cache

    def close(self) -> None:
        """Let the file of the cache go."""
        if self._cache is not None:
            self._cache.close()


_current: ContextVar[Memo | None] = ContextVar("pytest_llm_memo", default=None)
_repeat: ContextVar[int] = ContextVar("pytest_llm_repeat", default=0)


@contextmanager
def remembering(open_cache: Callable[[], Cache | None] | None = None) -> Iterator[Memo]:
    """Bind a fresh memo for the length of a `with` block."""
    memo = Memo(open_cache)
    try:
        with bound(_current, memo):
            yield memo
    finally:
        memo.close()


def repeating(index: int) -> AbstractContextManager[None]:
    """Within the block answers are those of repeat number `index`: a model that is asked again is asked, not looked up."""
    return bound(_repeat, index)


def tally() -> Tally | None:
    """Where the answers of this session came from so far; None where nothing is remembered."""
    memo = _current.get()
    return None if memo is None else memo.tally


def text_of(example: Example) -> Hashable:
    """What outputs are remembered under where only the text is asked about."""
    return example.text


@contextmanager
def forgetting() -> Iterator[None]:
    """Keep nothing in memory beyond a `with` block, for data that do not fit in it; what is on disk is read and added to."""
    outer, inner = _current.get(), None
    if outer is not None:
        inner = Memo()
        inner._cache, inner.tally = outer.cache, outer.tally
    with bound(_current, inner):
        yield


def remembered(
    model: object,
    items: Sequence[Item],
    request: Hashable,
    compute: Callable[[Any, list[Item]], list[Output]],
    key: Callable[[Item], Hashable],
    *,
    lasting: Callable[[], str | None] | None = None,
    effort: Callable[[Item], int] | None = None,
) -> list[Output]:
    """The output for each item, computed only where it is not known yet; items with equal keys are computed once.

    Args:
        model: asked for `fingerprint()`, and for `cache_key()` where answers may be kept on disk, if it has these.
        items: any number of examples, prompts or pairs.
        request: what is asked of the model.
        compute: gives the outputs for the items, of the model that it is handed, wherever that is: a function of a module, or
            `partial` of one, so that it can be sent there.
        key: all of an item that the output depends on: a text, or a pair of texts.
        lasting: gives the request as text that is the same in every process, None if there is none; by default its `repr`.
        effort: what an item takes, in characters of text that are read; by default those of its key.
    """
    wanted: dict[Hashable, Item] = {}
    for item in items:
        wanted.setdefault(key(item), item)
    known = _Known(model, request, lasting)
    known.look_up(wanted)
    missing = {name: item for name, item in wanted.items() if name not in known.outputs}
    if (planning := current_planning()) is not None and planning.is_postponing:
        if not missing:
            planning.hits += 1
            return [known.outputs[key(item)] for item in items]
        from pytest_llm.inference.engine import current_engine  # not at start-up

        def ask(later: Sequence[Item]) -> object:
            return remembered(model, later, request, compute, key, lasting=lasting, effort=effort)

        planning.postpone(known.kind, Noted(ask, current_engine(), dict(missing)))
    left = len(missing)
    answered(len(wanted) - left, len(wanted))
    for part, outputs in known.computed(missing, compute, effort):
        known.add(dict(zip(part, outputs, strict=True)))
        note_answers(len(part), kept=known.is_kept)
        left -= len(part)
        answered(len(wanted) - left, len(wanted))
    if known.memo is not None:
        known.memo.tally.computed += len(missing)
    return [known.outputs[key(item)] for item in items]


def remember(model: object, request: Hashable, outputs: Mapping[Hashable, object]) -> None:
    """Remember what was found out beside another question; what is known stays, to the last digit."""
    known = _Known(model, request)
    known.add({name: output for name, output in outputs.items() if name not in known.outputs})


class _Known:
    """What is known of a model in its present state for one request: in memory, and behind that on disk."""

    def __init__(self, model: object, request: Hashable, lasting: Callable[[], str | None] | None = None) -> None:
        self.memo = _current.get()
        self.outputs: Outputs = {}
        self.kind: Hashable = None
        """What a plan asks together; see `planning`."""
        self._model, self._request, self._lasting = model, request, lasting
        self._asked: Question | None = None
        self._is_told = False
        planning = current_planning()
        if self.memo is None and planning is None:
            return
        state = state_of(model) if planning is None else planning.state_of(model)
        if state is None and planning is None:
            return
        from pytest_llm.inference.engine import current_engine  # not at start-up

        asked = (request, current_engine().policy, _repeat.get())
        if self.memo is not None and state is not None:
            self.outputs = self.memo.outputs(state, asked)
        if planning is not None:
            self.outputs = planning.outputs(model, asked, self.outputs)
            self.kind = (planning.name_of(model), asked)

    @property
    def cache(self) -> Cache | None:
        return None if self.memo is None else self.memo.cache

    @property
    def is_kept(self) -> bool:
        """Whether answers go to disk."""
        return self.cache is not None and self.question is not None

    @property
    def question(self) -> Question | None:
        """What is asked, as the cache on disk knows it; None where it must not be looked up there."""
        if not self._is_told:
            self._is_told = True
            self._asked = self._told()
        return self._asked

    def _told(self) -> Question | None:
        model_key = getattr(self._model, "cache_key", None)
        if self.cache is None or model_key is None or (made_of := model_key()) is None:
            return None
        request = repr(self._request) if self._lasting is None else self._lasting()
        if request is None:
            return None
        from pytest_llm.inference.cache import question_of
        from pytest_llm.inference.engine import current_engine
        from pytest_llm.models.language_model import provenance

        named = str(provenance(self._model))  # type: ignore[arg-type]  # any object will do
        return question_of(made_of, named, request, current_engine().policy, _repeat.get())

    def look_up(self, names: Mapping[Hashable, object]) -> None:
        """See what is known of these, if need be on disk."""
        missing = [name for name in names if name not in self.outputs]
        if self.memo is None:
            return
        found: Mapping[Hashable, Any] = {}
        if missing and self.cache is not None and self.question is not None:
            found = self.cache.find(self.question, missing)
            self.outputs.update(found)
        remembered = len(names) - len(missing)
        self.memo.tally.remembered += remembered
        self.memo.tally.cached += len(found)
        if remembered + len(found) and (note := getattr(self._model, "note_spared", None)) is not None:
            note(remembered + len(found))  # whose answers cost money tells what was saved

    def computed(
        self,
        missing: Mapping[Hashable, Item],
        compute: Callable[[Any, list[Item]], list[Output]],
        effort: Callable[[Item], int] | None,
    ) -> Iterator[tuple[dict[Hashable, Item], list[Output]]]:
        """Part after part with its outputs, to be remembered at once."""
        from pytest_llm.inference.engine import current_engine  # not at start-up

        engine = current_engine()
        if not missing:
            return
        if engine.cluster is None or getattr(self._model, "is_elsewhere", False):
            for part in self._parts(missing, effort):
                refuse_overrun()
                yield part, compute(self._model, list(part.values()))
            return
        from pytest_llm.inference.cluster.asking import answers

        taken: dict[int, dict[Hashable, Item]] = {}

        def stretches() -> Iterator[list[Item]]:
            for number, part in enumerate(self._parts(missing, effort)):
                refuse_overrun()
                taken[number] = part
                yield list(part.values())

        for number, outputs in answers(
            engine.cluster, self._model, compute, stretches(), deterministic=engine.deterministic
        ):
            yield taken.pop(number), outputs

    def _parts(
        self, missing: Mapping[Hashable, Item], effort: Callable[[Item], int] | None
    ) -> Iterator[dict[Hashable, Item]]:
        """What is computed, and remembered, at once: everything, if it is not kept on disk, not shared, and the time has no end."""
        from pytest_llm.inference.engine import current_engine  # not at start-up

        if not (self.is_kept or is_limited() or current_engine().cluster):
            yield dict(missing)
            return
        from pytest_llm.inference.parts import least_effort, parts

        names = list(missing)
        # a text, or a pair
        texts = [name if isinstance(name, str) else "".join(name) for name in names]  # type: ignore[arg-type]
        efforts = list(map(len, texts)) if effort is None else [effort(item) for item in missing.values()]
        for part in parts(texts, efforts, least_effort(self._model, sum(efforts))):
            yield {names[place]: missing[names[place]] for place in part}

    def add(self, outputs: Mapping[Hashable, object]) -> None:
        """Remember these."""
        if not outputs:
            return
        for output in outputs.values():
            if hasattr(output, "flags"):
                output.flags.writeable = False  # an array that is handed out more than once
        self.outputs.update(outputs)
        if self.cache is not None and self.question is not None:
            self.cache.keep(self.question, outputs)
