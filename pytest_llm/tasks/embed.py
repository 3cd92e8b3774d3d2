"""Rank documents for each query by how close a model's embeddings of the two are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pytest_llm.data.example import Example, fingerprint
from pytest_llm.data.loading import load_examples
from pytest_llm.errors import MisuseError
from pytest_llm.tasks.prompt import Template, check_template, fill, template_source


@dataclass(frozen=True)
class Embed:
    """Each example's text is a query; the output is the cosine similarity of every document to it.

    Args:
        documents: what is searched: rows with an `id` and a `text`, or a mapping from ids to texts, whose ids the targets name;
            or bare texts, which are called 0, 1, 2, … in their order.
        query: template of what is embedded for a query; some models want a word before it, as in "query: {text}".
        document: the same of documents, as in "passage: {text}".
        truncate: leave out what is behind the longest text that the model reads; else a longer one is an error.

    Raises:
        MisuseError: documents that are none, or of which only some have an id.
    """

    documents: Any = ()
    query: Template = "{text}"
    document: Template = "{text}"
    truncate: bool = False

    def __post_init__(self) -> None:
        for name in ("query", "document"):
            check_template(name, getattr(self, name))
        given = self.documents
        if isinstance(given, tuple) and all(isinstance(document, Example) for document in given):
            return
        if isinstance(given, Mapping):
            given = [{"id": own_id, "text": text} for own_id, text in given.items()]
        object.__setattr__(self, "documents", load_examples(given))
        if len({_has_id(document) for document in self.documents}) > 1:
            raise MisuseError(
                "some documents have an id and others none: give each one, or none to call them 0, 1, 2, …"
            )

    @property
    def ids(self) -> list[str] | None:
        """What the documents are called; None where it is by their number."""
        named = all(map(_has_id, self.documents))
        return [document.id for document in self.documents] if named else None

    def texts(self, examples: tuple[Example, ...]) -> tuple[list[str], list[str]]:
        """What is embedded: of queries, and of documents.

        Raises:
            MisuseError: no documents, or an example that does not fit the template.
        """
        if not self.documents:
            raise MisuseError("no documents to be ranked: say which, as in task=Embed(documents)")
        queries = [fill(self.query, example) for example in examples]
        return queries, [fill(self.document, document) for document in self.documents]

    @property
    def signature(self) -> str:
        """All settings that change the output: texts by their beginning of SHA-256."""
        documents = fingerprint("\0".join(document.id + document.content for document in self.documents))[:8]
        parts = "\0".join(map(template_source, (self.query, self.document)))
        cut = "|truncate:yes" if self.truncate else ""
        return f"task:embed|documents:{len(self.documents)}-{documents}|prompt:{fingerprint(parts)[:8]}|by:cosine{cut}"


def _has_id(document: Example) -> bool:
    return document.label == document.id
