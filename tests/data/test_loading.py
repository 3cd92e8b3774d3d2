"""Every form that data may have, and everything that is refused before a model is asked."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import pytest

from pytest_llm.data.example import Example, fingerprint
from pytest_llm.data.loading import Columns, Data, clustered, describe, load_examples
from pytest_llm.errors import MisuseError

ROWS: list[dict[str, Any]] = [{"text": "one", "id": "a", "cluster": "x"}, {"text": "two", "id": 7, "cluster": None}]
EXAMPLES = (Example("a", "one", "a", "x"), Example("7", "two", "7"))


@pytest.fixture(autouse=True)
def _no_traces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What `datasets` caches goes to a folder of this test."""
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


def jsonl(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def as_jsonl(folder: Path) -> Data:
    lines = ['{"text": "one", "id": "a", "cluster": "x"}', "", '{"text": "two", "id": 7}', ""]
    return jsonl(folder / "data.jsonl", *lines)


def as_csv(folder: Path) -> Data:
    path = folder / "data.CSV"
    path.write_text("text,id,cluster\none,a,x\n", encoding="utf-8")
    return path


def as_parquet(folder: Path) -> Data:
    datasets.Dataset.from_list([{"text": "one", "id": "a", "cluster": "x"}]).to_parquet(folder / "data.parquet")
    return str(folder / "data.parquet")


def as_saved_dataset(folder: Path) -> Data:
    datasets.Dataset.from_list([{"text": "one", "id": "a", "cluster": "x"}]).save_to_disk(folder / "saved")
    return folder / "saved"


@pytest.mark.parametrize(
    "data",
    [
        ROWS,
        tuple(ROWS),
        iter(ROWS),
        EXAMPLES,
        [EXAMPLES[0], ROWS[1]],
        datasets.Dataset.from_list([{**row, "id": str(row["id"])} for row in ROWS]),
    ],
)
def test_rows_in_memory_become_examples(data: Data) -> None:
    assert load_examples(data) == EXAMPLES


def test_rows_of_json_lines_become_examples(tmp_path: Path) -> None:
    assert load_examples(as_jsonl(tmp_path)) == EXAMPLES


@pytest.mark.parametrize("write", [as_csv, as_parquet, as_saved_dataset])
def test_rows_of_a_file_become_examples(tmp_path: Path, write: Callable[[Path], Data]) -> None:
    assert load_examples(write(tmp_path)) == EXAMPLES[:1]


@pytest.mark.parametrize("data", [["one", "two"], [{"text": "one"}, {"text": "two", "id": None}]])
def test_texts_without_ids_are_known_by_hash_and_called_by_position(data: Data) -> None:
    expected = [(fingerprint(text)[:16], text, label, None) for text, label in (("one", "#0"), ("two", "#1"))]
    assert [(found.id, found.text, found.label, found.cluster) for found in load_examples(data)] == expected


def test_a_target_is_taken_from_its_column() -> None:
    rows = [{"text": "eins", "target": "one", "id": "a", "en": "two"}]
    assert load_examples(rows)[0].target == "one"
    assert load_examples(rows, columns=Columns(target="en"))[0].target == "two"
    assert load_examples(["eins"])[0].target is None


def test_the_id_of_a_pair_depends_on_both_parts() -> None:
    pairs = [("a", "b"), ("a", "c"), ("b", "a"), ("ab", ""), ("a", None), ("a", ["b", "c"]), ("a", 1)]
    found = load_examples([{"text": text, "target": target} for text, target in pairs])
    assert len({example.id for example in found}) == len(pairs)
    assert found[4].id == load_examples(["a"])[0].id


def test_the_id_of_a_pair_does_not_depend_on_the_kind_of_data(tmp_path: Path) -> None:
    row = {"text": "eins", "target": ["one", "a", "\u00e9"]}
    datasets.Dataset.from_list([row]).to_parquet(tmp_path / "d.parquet")
    sources: list[Data] = [
        [row],
        datasets.Dataset.from_list([row]),
        datasets.Dataset.from_list([row]).with_format("numpy"),
        tmp_path / "d.parquet",
        jsonl(tmp_path / "d.jsonl", '{"target": ["one", "a", "\\u00e9"], "text": "eins"}'),
    ]
    assert len({load_examples(source)[0].id for source in sources}) == 1


def test_the_same_source_with_another_target_is_no_repetition() -> None:
    rows = [{"text": "one", "target": "a"}, {"text": "one", "target": "b"}]
    assert [example.target for example in load_examples(rows)] == ["a", "b"]


def test_the_id_of_a_text_survives_reordering() -> None:
    forth, back = load_examples(["one", "two"]), load_examples(["two", "one"])
    assert [example.id for example in forth] == [example.id for example in reversed(back)]


def test_lines_of_json_may_be_plain_strings(tmp_path: Path) -> None:
    assert [found.text for found in load_examples(jsonl(tmp_path / "d.jsonl", '"one"', '"two"'))] == ["one", "two"]


def test_a_text_file_is_one_document_named_after_it(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"one\r\n\r\ntwo\n")
    assert load_examples(tmp_path / "a.txt") == (Example("a.txt", "one\r\n\r\ntwo\n", "a.txt"),)


def test_a_folder_is_its_text_files_in_order_of_name(tmp_path: Path) -> None:
    for name in ("b.txt", "a.txt", "ignored.md"):
        (tmp_path / name).write_text(f"text of {name}", encoding="utf-8")
    assert [(found.id, found.text) for found in load_examples(str(tmp_path))] == [
        ("a.txt", "text of a.txt"),
        ("b.txt", "text of b.txt"),
    ]


def test_columns_can_have_other_names(tmp_path: Path) -> None:
    columns = Columns(text="body", id="key", cluster="book")
    rows = [{"body": "one", "key": "a", "book": "x", "text": "no", "id": "no", "cluster": "no"}]
    assert load_examples(rows, columns=columns) == EXAMPLES[:1]


@pytest.mark.parametrize("row", [{}, {"book": None}])
def test_a_cluster_column_that_was_named_has_to_be_there(row: dict[str, None]) -> None:
    with pytest.raises(MisuseError, match=r"cluster='book': example #0 has none \(its row has .*text\)"):
        load_examples([{"text": "one", **row}], columns=Columns(cluster="book"))


def test_examples_are_put_together_by_any_column() -> None:
    rows = [{"text": text, "book": number, "cluster": "no"} for number, text in enumerate(["one", "two"])]
    examples = load_examples(rows)
    assert [example.unit for example in clustered(examples, "book")] == ["cluster 0", "cluster 1"]
    assert clustered(examples, None) == examples


@pytest.mark.parametrize(
    ("data", "has"),
    [
        (["one"], "it has no row, only a text"),
        ([{"text": "one", "id": "a"}], "its row has id, text"),
        ([{"text": "one", "book": None}], "its row has book, text"),
    ],
)
def test_examples_without_that_column_are_refused(data: Data, has: str) -> None:
    with pytest.raises(MisuseError, match=rf"cluster='book': example .* has none \({has}\); name the column"):
        clustered(load_examples(data), "book")


def test_text_files_are_named_after_themselves_whatever_the_columns(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one", encoding="utf-8")
    assert load_examples(tmp_path, columns=Columns(text="body", id="key")) == (Example("a.txt", "one", "a.txt"),)


@pytest.mark.parametrize("separator", ["\u2028", "\u2029", "\x85"])
def test_only_newlines_separate_lines_of_json(tmp_path: Path, separator: str) -> None:
    assert load_examples(jsonl(tmp_path / "d.jsonl", f'"one{separator}two"'))[0].text == f"one{separator}two"


@pytest.mark.parametrize("separator", ["\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c"])
def test_only_newlines_separate_rows_of_csv(tmp_path: Path, separator: str) -> None:
    path = tmp_path / "d.csv"
    path.write_text(f"id,text\n1,one{separator}two\n", encoding="utf-8")
    assert [found.text for found in load_examples(path)] == [f"one{separator}two"]


def test_quoted_csv_keeps_commas_quotes_and_newlines(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_bytes(b'text\r\n"one, ""two""\r\nthree"\r\n')
    assert load_examples(tmp_path / "d.csv")[0].text == 'one, "two"\r\nthree'


def test_a_csv_field_may_be_as_long_as_a_book(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text("text\n" + 200_000 * "x", encoding="utf-8")
    assert len(load_examples(tmp_path / "d.csv")[0].text) == 200_000


@pytest.mark.parametrize(
    ("name", "content"), [("d.txt", "one"), ("d.jsonl", '{"text": "one"}'), ("d.csv", "text\none")]
)
def test_a_byte_order_mark_at_the_beginning_is_dropped(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8-sig")
    assert load_examples(tmp_path / name)[0].text == "one"


def test_a_parquet_file_that_was_rewritten_is_read_anew(tmp_path: Path) -> None:
    path = tmp_path / "d.parquet"
    for text in ("old", "new"):
        datasets.Dataset.from_list([{"text": text}]).to_parquet(path)
        os.utime(path, (0, 0))  # as in container images and reproducible archives
        assert load_examples(path)[0].text == text


def test_the_same_text_twice_is_allowed_with_distinct_ids() -> None:
    assert len(load_examples([{"text": "one", "id": 1}, {"text": "one", "id": 2}])) == 2


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([], "no data: a list given in the test holds no example"),
        (["one", ""], "the text of example #1 is empty"),
        ([{"text": ""}], "the text of example #0 is empty"),
        ([Example("a", "", "a")], "the text of .* is empty"),
        ([{"text": None}], r"the text of example #0 is None \(NoneType\), not a string"),
        ([{"text": 3.5}], r"the text of example #0 is 3.5 \(float\), not a string"),
        ([{"text": b"one"}], r"the text of example #0 is b'one' \(bytes\), not a string"),
        ([{"body": "one", "id": 1}], r"no column 'text', only \['body', 'id'\]; .*columns=Columns\(text=…\)"),
        ([17], r"example #0 is 17 \(int\); expected a string or a mapping with a 'text' column"),
        ([{"text": "one", "id": 1}, {"text": "two", "id": "1"}], "two examples have the id '1'; ids must be unique"),
        ([Example("1", "one", "a"), Example("1", "two", "b")], "have the id '1'"),
        (
            [{"text": "one", "target": "a"}] * 2,
            "examples #0 and #1 are the same text and target, which would count it twice",
        ),
        ([Example("1", "one", "a", target="x"), Example("1", "one", "b", target="y")], "have the id '1'"),
        (["one", "two", "one"], "examples #0 and #2 are the same text, which would count it twice"),
        (datasets.DatasetDict(test=[]), r"data is one mapping with the keys \['test'\]; .* choose one split"),
        ({"text": "one"}, r"data is one mapping with the keys \['text'\]; expected a list of rows"),
        (3, r"data is 3 \(int\); expected texts, rows, a Dataset or a path"),
        (None, r"data is None \(NoneType\)"),
        (b"one", r"example #0 is 111 \(int\)"),
        (
            "no/such.jsonl",
            r"no data at 'no/such.jsonl': no such file or folder \(a single text goes in a list: \[text\]",
        ),
        ("A text, not a path. " * 20, r"no such file or folder \(a single text goes in a list: \[text\]\)"),
    ],
)
def test_data_that_would_give_a_wrong_number_are_refused(data: Data, message: str) -> None:
    with pytest.raises(MisuseError, match=message):
        load_examples(data)


def test_a_data_frame_is_not_taken_for_the_names_of_its_columns() -> None:
    with pytest.raises(MisuseError, match="DataFrame"):
        load_examples(datasets.Dataset.from_list(ROWS[:1]).to_pandas())


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("d.json", b"[]", r"cannot read 'd.json': '.json' is none of .jsonl, .csv, .parquet, .txt"),
        ("data", b"", "cannot read 'data': '' is none of"),
        ("d.jsonl", b"\n \n", "no data: d.jsonl holds no example"),
        ("d.csv", b"text\n", "no data: d.csv holds no example"),
        ("d.txt", b"", "the text of example d.txt is empty"),
        ("d.jsonl", b'{"text": "one"}\n\n{"text": "two"\n', "d.jsonl, line 3 is not JSON: .* at column 15"),
        ("d.jsonl", b"[1]", r"example #0 is \[1\] \(list\); expected a string or a mapping"),
        ("d.txt", b"one\ntwo\n\xe9t\xe9", r"d.txt is not UTF-8: byte 0xe9 at offset 8 \(line 3\); convert the file"),
        ("d.jsonl", b'"one"\n"\xff"', r"d.jsonl is not UTF-8: byte 0xff at offset 7 \(line 2\)"),
        ("d.csv", b"text\none\ntwo\xc3", r"d.csv is not UTF-8: byte 0xc3 at offset 12 \(line 3\)"),
        ("d.parquet", b"no parquet", "d.parquet"),
        (
            "d.jsonl",
            b'{"text": "one", "text": "two"}',
            "d.jsonl, line 1 is not JSON: 'text' stands twice in one object",
        ),
        ("d.csv", b"text,id\none,1,2\n", "d.csv, line 2 has more cells than the 2 columns"),
        ("d.csv", b"text,text\none,two\n", "d.csv, line 2: two columns are called 'text'"),
        ("d.csv", b'text,id\n"one,1\ntwo,2\n', r"d.csv, line \d is not CSV: unexpected end of data"),
    ],
)
def test_a_file_that_cannot_be_read_as_its_name_says_is_refused(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(MisuseError, match=message):
        load_examples(tmp_path / name)


def test_a_folder_without_data_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MisuseError, match=r"holds neither \.txt files nor a saved datasets\.Dataset"):
        load_examples(tmp_path)


@pytest.mark.parametrize(
    ("data", "name"),
    [
        ("some/held_out.jsonl", "held_out.jsonl"),
        (Path("some/texts"), "texts"),
        (["one"], "a list given in the test"),
        (datasets.Dataset.from_list(ROWS[:1]), "a Dataset given in the test"),
    ],
)
def test_data_are_called_by_their_file_or_kind(data: Data, name: str) -> None:
    assert describe(data) == name


def test_the_folder_one_stands_in_is_called_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert describe(".") == tmp_path.name
