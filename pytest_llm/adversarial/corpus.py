"""Counter-examples as a file beside the tests: one JSON object a line, sorted by id, so that branches merge line by line.

    llm_corpus/<test module>.jsonl

Each holds the text, the edits and the edited text as they are, not how they were drawn: it stays the same input whatever becomes of
the operations, or of Hypothesis. Everything but ASCII is escaped, so that a reader sees what cannot be seen. `state` alone is for
editing: all else has a checksum, in which it has no part.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

from pytest_llm.adversarial.drawn_values import Drawn, has_all_of, restored, stored_form
from pytest_llm.adversarial.edit import Edit, EditScript
from pytest_llm.data.example import fingerprint
from pytest_llm.data.whole_file import locked, write_whole
from pytest_llm.errors import MisuseError
from pytest_llm.storage.checksum import MEMBER, SHORT, checksum_of
from pytest_llm.storage.strict_json import parsed, read_bounded

FOLDER = "llm_corpus"
FORMAT = 2
LONGEST_LINE = 20_000
"""Characters: what is longer is no counter-example that anybody would read."""
MOST_BYTES = 2**26
"""A larger file is no corpus that was written here, and is not read into memory."""

State: TypeAlias = Literal["open", "fixed", "accepted"]
"""open: it is known to fail; fixed: it failed once and must not again; accepted: it may fail, and nobody will mend it."""


@dataclass(frozen=True)
class Entry:
    """One counter-example of one test."""

    test: str
    """What pytest calls the test within its module, such as "test_typos[en]"."""
    text: str
    """What was edited; of what is no text, what stands for it."""
    edits: tuple[Edit, ...] = ()
    relation: str = ""
    """The name of what was broken, where an assertion searched for it; empty for a test of Hypothesis."""
    drawn: Drawn = "script"
    state: State = "open"
    observed: str = ""
    """What the model did, in a line."""
    model: Mapping[str, str] = field(default_factory=dict)
    """Which one: name, dtype, device, weights."""
    given: Mapping[str, Any] = field(default_factory=dict)
    """What it takes to make the input again, where that is neither a text nor a script."""

    @property
    def id(self) -> str:
        """The same for the same test, relation and input."""
        named: list[Any] = [self.test, self.relation, self.text, [asdict(edit) for edit in self.edits]]
        named += [self.given] if self.given else []
        return fingerprint(json.dumps(named, sort_keys=True))[:12]

    @property
    def script(self) -> EditScript:
        """The text with its edits.

        Raises:
            MisuseError: the entry is stale: the text is not what the edits were made for.
        """
        return EditScript(self.text, self.edits)

    @property
    def input(self) -> object:
        """What the test was given.

        Raises:
            MisuseError: the entry is stale.
        """
        if self.drawn == "script":
            return self.script
        return self.text if self.drawn == "text" else restored(self.drawn, self.given)

    def explains(self, given: object) -> bool:
        """Whether a failure on this input is no news: it is this entry's input, or has all of it and more."""
        try:
            return has_all_of(given, self.input)
        except MisuseError:  # it is stale
            return False

    @property
    def is_short(self) -> bool:
        """Whether a file takes its line."""
        return len(self.line()) <= LONGEST_LINE

    def line(self) -> str:
        """The entry as a line of the file."""
        data: dict[str, Any] = {"id": self.id, **{one.name: getattr(self, one.name) for one in fields(self)}}
        data["edits"] = [asdict(edit) for edit in self.edits]
        data["model"] = dict(self.model)
        if not self.given:
            del data["given"]
        if self.drawn == "script":
            with suppress(MisuseError):  # a stale entry has none, and is kept as it is
                data["perturbed"] = self.script.perturbed
        data["format"] = FORMAT
        return json.dumps({**data, MEMBER: _checksum(data)})


def input_entry(test: str, given: object, observed: str, model: Mapping[str, str]) -> Entry:
    """The entry of an input on which a test fails.

    Raises:
        MisuseError: it cannot be kept; the message says why.
    """
    drawn, text, data = stored_form(given)
    edits = given.edits if isinstance(given, EditScript) else ()
    entry = Entry(test, text, edits, drawn=drawn, observed=observed, model=dict(model), given=data)
    if not entry.is_short:
        raise MisuseError(f"its line would have {len(entry.line())} characters, and at most {LONGEST_LINE} are read")
    return entry


def corpus_file(test_file: Path) -> Path:
    """Where the counter-examples of a module's tests are."""
    return test_file.parent / FOLDER / f"{test_file.stem}.jsonl"


def read_corpus(path: Path) -> dict[str, Entry]:
    """The entries of a file by their ids; none if there is no file.

    Raises:
        MisuseError: something cannot be read; the message names the line. A stale entry can be read: its `script` cannot.
    """
    if not path.exists():
        return {}
    found: dict[str, Entry] = {}
    try:
        lines = read_bounded(path, MOST_BYTES).decode("utf-8").split("\n")
    except (OSError, ValueError) as error:
        raise MisuseError(f"the corpus {path} cannot be read: {error}") from None
    if not any(line.strip() for line in lines):
        raise MisuseError(f"the corpus {path} is empty: restore it, or remove the file if nothing is known to fail")
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            entry = entry_of(line)
        except (MisuseError, ValueError, KeyError, TypeError, RecursionError) as error:
            said = str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"
            raise MisuseError(f"{path}:{number}: no counter-example of this version: {said}") from None
        if entry.id in found and found[entry.id].line() != entry.line():
            raise MisuseError(f"{path}:{number}: {entry.id} is there twice, and not the same: keep one of the lines")
        found[entry.id] = entry
    return found


def write_corpus(path: Path, entries: Iterable[Entry]) -> None:
    """Write the file whole; without entries it is removed."""
    lines = sorted(entry.line() for entry in entries)  # each begins with its id
    if not lines:
        path.unlink(missing_ok=True)
        return
    write_whole(path, "".join(f"{line}\n" for line in lines).encode())


def add_to_corpus(path: Path, lines: Iterable[str]) -> dict[str, Entry]:
    """Add these lines, or put them in the place of those of their ids, whatever another run adds meanwhile.

    Returns:
        What was there before.

    Raises:
        MisuseError, ValueError, KeyError, TypeError: a line describes no entry, or the file cannot be read.
        OSError: it cannot be written.
    """
    added = [entry_of(line) for line in lines]
    path.parent.mkdir(parents=True, exist_ok=True)
    with locked(path.parent):
        before = read_corpus(path)
        write_corpus(path, {**before, **{entry.id: entry for entry in added}}.values())
    return before


def with_state(entries: Mapping[str, Entry], name: str, state: State) -> dict[str, Entry]:
    """The entries, of which one has another state."""
    return {**entries, name: replace(entries[name], state=state)}


def entry_of(line: str) -> Entry:
    """What a line of the file describes.

    Raises:
        MisuseError, ValueError, KeyError, TypeError: it describes none.
    """
    if len(line) > LONGEST_LINE:
        raise MisuseError(f"the line has {len(line)} characters; at most {LONGEST_LINE} are read")
    if line.startswith(("<<<<<<<", "=======", ">>>>>>>")):
        raise MisuseError("a merge was left unfinished: keep the lines of both sides")
    data = parsed(line, finite=False)  # an input may be NaN
    if not isinstance(data, dict):
        raise MisuseError(f"it is {line[:40]!r}, not an object")
    if data["format"] != FORMAT:
        raise MisuseError(f"this version reads format {FORMAT}")
    checksum, name = data.pop(MEMBER), data.get("id")
    if checksum != _checksum(data):
        raise MisuseError(
            "it is not as it was written (other checksum), and only `state` is for editing: restore the line"
        )
    for of_no_field in ("format", "id", "perturbed"):
        data.pop(of_no_field, None)
    data.setdefault("given", {})
    if missing := {one.name for one in fields(Entry)} - data.keys():
        raise MisuseError(f"{', '.join(sorted(missing))} is missing")
    data["edits"] = tuple(Edit(**edit) for edit in data["edits"])
    entry = Entry(**data)
    _check(entry)
    if entry.id != name:
        raise MisuseError(f"its id is {name!r:.60}, but this test, relation and input are {entry.id}")
    return entry


def _checksum(data: Mapping[str, Any]) -> str:
    """Of all but the state, as it will be read."""
    kept = {name: value for name, value in data.items() if name != "state"}
    return checksum_of(json.loads(json.dumps(kept)))[:SHORT]


def _check(entry: Entry) -> None:
    texts = {"test": entry.test, "text": entry.text, "relation": entry.relation, "observed": entry.observed}
    for edit in entry.edits:
        texts |= {"old": edit.old, "new": edit.new, "operation": edit.operation}
        if type(edit.start) is not int or type(edit.end) is not int:
            raise MisuseError(f"an edit is at {edit.start!r} to {edit.end!r}: expected whole numbers")
    for name, value in texts.items():
        if not isinstance(value, str):
            raise MisuseError(f"{name!r} is {value!r:.60}, not a text")
    for name, word, words in (("state", entry.state, get_args(State)), ("drawn", entry.drawn, get_args(Drawn))):
        if word not in words:
            raise MisuseError(f"{name!r} is {word!r:.60}: expected {', '.join(words)}")
    if not isinstance(entry.given, dict):
        raise MisuseError(f"'given' is {entry.given!r:.60}, not an object")
    model = entry.model
    if not (isinstance(model, dict) and all(isinstance(part, str) for pair in model.items() for part in pair)):
        raise MisuseError(f"'model' is {model!r:.60}, not texts by name")
