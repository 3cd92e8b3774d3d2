"""Which tests belong together on one xdist worker."""

from __future__ import annotations

import sys
from collections.abc import Hashable
from types import SimpleNamespace

import pytest

from pytest_llm.session.distribution import GroupingController, GroupingWorker, chosen, marked, models_of, together

MODELS = ("llm", "llm_reference")


@pytest.mark.parametrize(
    ("used", "groups"),
    [
        ([], []),
        (["", ""], ["", ""]),
        (["a", "a", "b"], ["model 0", "model 0", "model 1"]),
        (["b", "", "a"], ["model 0", "", "model 1"]),
        (["a", "b", "ab", "c"], ["model 0", "model 0", "model 0", "model 1"]),  # the third one needs both
        (["ab", "bc", "cd", "e"], ["model 0", "model 0", "model 0", "model 1"]),
    ],
)
def test_what_shares_a_model_is_together(used: list[str], groups: list[str]) -> None:
    assert together([frozenset(models) for models in used]) == groups


def models(pytester: pytest.Pytester) -> dict[str, frozenset[Hashable]]:
    items, _ = pytester.inline_genitems("-p", "no:cacheprovider")
    return {item.nodeid: models_of(item, MODELS) for item in items}


def test_one_function_makes_one_model(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_one(llm): pass\ndef test_two(llm): pass\ndef test_other(tmp_path): pass")
    one, two, other = models(pytester).values()
    assert one == two != frozenset()
    assert other == frozenset()


def test_llm_measure_asks_for_llm(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_one(llm): pass\ndef test_two(llm_measure): pass")
    one, two = models(pytester).values()
    assert one == two


def test_a_test_may_use_two_models(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_one(llm): pass\ndef test_two(llm, llm_reference): pass")
    one, two = models(pytester).values()
    assert one < two


def test_a_folder_may_have_a_model_of_its_own(pytester: pytest.Pytester) -> None:
    own = "import pytest\n@pytest.fixture(scope='session')\ndef llm(): return object()"
    for folder, conftest in (("large", own), ("small", own), ("usual", "")):
        pytester.mkdir(folder).joinpath("conftest.py").write_text(conftest)
        for name in ("one", "two"):
            pytester.path.joinpath(folder, f"test_{folder}_{name}.py").write_text("def test_it(llm): pass")
    found = list(models(pytester).values())
    assert found[0::2] == found[1::2]
    assert len(set(found)) == 3


@pytest.mark.parametrize(
    "conftest",
    [
        "@pytest.fixture(params=[1, 2])\ndef llm(request): return request.param",
        "@pytest.fixture(params=[1, 2])\ndef size(request): return request.param\n@pytest.fixture\ndef llm(size): return size",
    ],
    ids=["its own", "of a fixture it needs"],
)
def test_each_parameter_makes_another_model(pytester: pytest.Pytester, conftest: str) -> None:
    pytester.makeconftest(f"import pytest\n{conftest}")
    pytester.makepyfile("def test_one(llm): pass\ndef test_two(llm): pass")
    found = models(pytester)
    assert len(found) == 4
    assert len(set(found.values())) == 2


def test_parameters_of_the_test_alone_make_none(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("import pytest\n@pytest.mark.parametrize('limit', [7, 8])\ndef test_it(llm, limit): pass")
    assert len(set(models(pytester).values())) == 1


def test_a_fixture_may_wrap_the_one_that_it_overrides(pytester: pytest.Pytester) -> None:
    pytester.makeconftest("import pytest\n@pytest.fixture\ndef llm(llm): return llm")
    pytester.makepyfile("def test_it(llm): pass")
    (found,) = models(pytester).values()
    assert len(found) == 1


def test_the_controller_takes_groups_off_the_ids() -> None:
    controller = GroupingController(MODELS, only_for_models=True)
    ids = ["test_it.py::test_one\x1fmodel 0", "test_it.py::test_two[a@b]\x1f"]
    controller.pytest_xdist_node_collection_finished(ids)
    assert ids == ["test_it.py::test_one", "test_it.py::test_two[a@b]"]
    assert controller.groups == {"test_it.py::test_one": "model 0"}


def test_ids_without_groups_are_left_alone() -> None:
    controller = GroupingController(MODELS, only_for_models=True)
    ids = ["test_it.py::test_one@mine", "test_it.py::test_two"]
    controller.pytest_xdist_node_collection_finished(ids)
    assert ids == ["test_it.py::test_one@mine", "test_it.py::test_two"]
    assert controller.groups == {}


@pytest.mark.parametrize(
    ("arguments", "said"), [(["-n2"], False), (["-n2", "--dist=load"], True), (["-d", "--tx=popen"], True)]
)
def test_who_says_how_tests_are_distributed_is_heard(
    pytester: pytest.Pytester, arguments: list[str], said: bool
) -> None:
    assert chosen(pytester.parseconfig(*arguments)) is said


def test_a_mark_goes_before(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.xdist_group("mine")
        def test_one(llm): pass

        @pytest.mark.xdist_group(name="other")
        @pytest.mark.xdist_group("mine")
        def test_two(llm): pass

        def test_three(llm): pass
        """
    )
    items, _ = pytester.inline_genitems("-p", "no:cacheprovider")
    assert [marked(item) for item in items] == ["mine", "mine_other", ""]


@pytest.mark.parametrize(
    ("marks", "groups", "computing"),
    [
        (("", "", ""), ["model 0", "model 0", ""], 1),
        (("one", "other", ""), ["one", "other", ""], 2),
        (("one", "", ""), ["one", "model 0", ""], 2),
        (("one", "", "one"), ["one", "model 0", "one"], 2),
    ],
)
def test_a_worker_says_groups_and_calls_tests_what_they_are_called(
    pytester: pytest.Pytester, marks: tuple[str, ...], groups: list[str], computing: int
) -> None:
    tests = zip(marks, ("def test_one(llm): pass", "def test_two(llm): pass", "def test_other(): pass"), strict=True)
    pytester.makepyfile(
        "import pytest\n"
        + "\n".join((f'@pytest.mark.xdist_group("{mark}")\n' if mark else "") + test for mark, test in tests)
    )
    items, _ = pytester.inline_genitems("-p", "no:cacheprovider")
    names = [item.nodeid for item in items]
    worker = GroupingWorker({"fixtures": MODELS, "only_for_models": True})
    finishing = worker.pytest_collection_finish(SimpleNamespace(items=items))  # type: ignore[arg-type]
    next(finishing)
    assert [item.nodeid for item in items] == [f"{name}\x1f{group}" for name, group in zip(names, groups, strict=True)]
    with pytest.raises(StopIteration):
        finishing.send(None)
    assert [item.nodeid for item in items] == names
    assert worker.computing == computing


def test_where_pytest_keeps_ids_elsewhere_nothing_is_grouped() -> None:
    items = [SimpleNamespace(nodeid="test_it.py::test_one", fixturenames=("llm",), iter_markers=lambda name: iter(()))]
    items[0].session = SimpleNamespace(_fixturemanager=SimpleNamespace(getfixturedefs=lambda name, item: None))
    worker = GroupingWorker({"fixtures": MODELS, "only_for_models": True})
    finishing = worker.pytest_collection_finish(SimpleNamespace(items=items))  # type: ignore[arg-type]
    next(finishing)
    assert (items[0].nodeid, worker.computing) == ("test_it.py::test_one", 0)


def test_an_xdist_that_is_laid_out_otherwise_schedules_as_ever(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pytest_llm.session.scheduling", None)
    controller = GroupingController(MODELS, only_for_models=True)
    assert controller.pytest_xdist_make_scheduler(pytester.parseconfig("-n2"), None) is None
