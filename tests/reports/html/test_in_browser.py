"""The page in a real Chromium: what a model wrote does not run, and what people need works, with JavaScript and without."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_llm.judging.limit_verdict import judge
from pytest_llm.limit import Limit
from pytest_llm.recording import Broken
from pytest_llm.reports.html.page import page
from tests.reports.html.runs import against_baseline, measured, of_many, result_of, run_of

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

ATTACKS = (
    "<script>window.owned = 1</script>",
    "</script><script>window.owned = 1</script>",
    "</style><img src=x onerror='window.owned = 1'>",
    '" onmouseover="window.owned = 1" x="',
    "' autofocus onfocus='window.owned = 1",
    "</title></svg></details></table><svg onload=window.owned=1>",
    '<a href="javascript:window.owned = 1">javascript:window.owned=1</a>',
    "<iframe srcdoc='<script>parent.owned = 1</script>'></iframe>",
    "<meta http-equiv=refresh content='0;url=http://127.0.0.1:9/'><link rel=stylesheet href=http://127.0.0.1:9/a.css>",
    "--><!--<img src=http://127.0.0.1:9/pixel>",
    "{{ 7 * 7 }}{% raw %}&lt;script&gt;",
    "\u202eneddih\u202c zero\u200b\u200bwidth \ud800 a\u0300\u0301\u0302\u0303\u0304\u0305\u0306\u0307",
)
"""What is written wherever a text of a model, of data or of a test is shown."""


def attacked_page() -> str:
    attack = " ".join(ATTACKS)
    tests = []
    for place, text in enumerate((*ATTACKS, attack)):
        m = measured(place, n=12, metric=f"metric{text}", texts=[f"{text} in a text"], outputs=[f"{text} in an answer"])
        broken = Broken(f"a {text}", ((0, 1, text, text),), (text, text), label=text, relation=text)
        verdict = against_baseline(m, 2.0) if place % 2 else judge(m, Limit.below(5))
        tests.append(result_of(f"it.py::test[{text}]", verdict, broken=[broken] if place % 3 == 0 else []))
    return page(*run_of(*tests))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pages that several tests look at."""
    made = tmp_path_factory.mktemp("pages")
    answers = ["so it was said of this", "so it is said of this text"]
    few = [
        result_of(
            "a.py::test_below", judge(measured(1, outputs=answers, target="so it was said, of that"), Limit.below(5))
        ),
        result_of("a.py::test_baseline", against_baseline(measured(2, metric="other"), 2.0)),
        result_of("b.py::test_fine", judge(measured(3), Limit.below(50))),
        result_of("b.py::test_broken", judge(measured(4, n=20), Limit.below(30)), broken=[BROKEN]),
    ]
    pages = {
        "none": page(*run_of()),
        "one": page(*run_of(few[0])),
        "few": page(*run_of(*few)),
        "many": page(*of_many(2000)),
        "attacked": attacked_page(),
    }
    for name, text in pages.items():
        (made / f"{name}.html").write_text(text, encoding="utf-8")
    return made


BROKEN = Broken("It was good.", ((3, 6, "w\u200bas", "unicode.zerowidth"),), ("good", "bad"), "#3", "invariant_label")


@contextmanager
def opened(browser: Browser, folder: Path, name: str, *, width: int = 1280, **settings: Any) -> Iterator[Page]:
    """A page, which may ask for nothing but its own file and may have no mistake."""
    context = browser.new_context(viewport={"width": width, "height": 900}, **settings)
    shown = context.new_page()
    address = (folder / f"{name}.html").as_uri()
    wrong: list[str] = []
    shown.on("request", lambda request: wrong.append(request.url) if request.url not in (address, "data:,") else None)
    shown.on("pageerror", lambda error: wrong.append(str(error)))
    shown.on("console", lambda message: wrong.append(message.text))
    shown.goto(address)
    try:
        yield shown
        assert wrong == []
    finally:
        context.close()


def rows(shown: Page) -> list[str]:
    """The tests of the rows that are there to see."""
    found: list[str] = shown.locator("#table > tbody:not([hidden]) .what code").all_inner_texts()
    return [name.removeprefix("tests/test_") for name in found]


OPEN_ALL = """() => {
  document.querySelectorAll('details').forEach((one) => { one.open = true; });
  document.querySelectorAll('tbody').forEach((one) => { one.style.contentVisibility = 'visible'; });
}"""


@pytest.mark.parametrize("javascript", [True, False])
def test_nothing_that_a_model_wrote_runs(browser: Browser, folder: Path, javascript: bool) -> None:
    with opened(browser, folder, "attacked", java_script_enabled=javascript) as shown:
        if not javascript:
            assert shown.locator("script").count() == 1
            return
        shown.evaluate(OPEN_ALL)
        shown.hover("h1")
        for summary in shown.locator("summary").all()[:3]:
            summary.hover()
        assert shown.evaluate("window.owned") is None
        own = "script, style, link, meta, img, iframe, object, embed, base, a, [onload], [onerror], [onmouseover], [onfocus]"
        names = shown.locator(own).evaluate_all("all => all.map((one) => one.localName)")
        assert sorted(names) == ["a", "link", *["meta"] * 5, "script", "style"]
        text = shown.locator("body").inner_text()
        for attack in ATTACKS[:-1]:
            assert attack in text


def test_escaping_and_the_policy_each_hold_alone(browser: Browser, folder: Path) -> None:
    whole = (folder / "attacked.html").read_text(encoding="utf-8")
    policy = whole[whole.index('<meta http-equiv="Content-Security-Policy"') :].partition(">")[0] + ">"
    (folder / "unguarded.html").write_text(whole.replace(policy, ""), encoding="utf-8")
    with opened(browser, folder, "unguarded") as shown:
        shown.evaluate(OPEN_ALL)
        assert shown.evaluate("window.owned") is None
    leaked = whole.replace("</main>", f"{ATTACKS[0]}<img src=x onerror='window.owned = 2'></main>")
    (folder / "leaked.html").write_text(leaked, encoding="utf-8")
    context = browser.new_context()
    shown = context.new_page()
    shown.goto((folder / "leaked.html").as_uri())
    assert shown.evaluate("window.owned") is None
    assert shown.locator("#filter").is_visible()  # while our own script runs
    context.close()


def test_what_nobody_sees_is_named_and_turns_nothing_round(browser: Browser, folder: Path) -> None:
    with opened(browser, folder, "attacked") as shown:
        shown.evaluate(OPEN_ALL)
        named = set(shown.locator(".passages .unseen").all_inner_texts())
        assert {"U+202E RIGHT-TO-LEFT OVERRIDE", "U+200B ZERO WIDTH SPACE ×2", "U+D800 without a name"} <= named
        text = shown.locator("html").inner_text()
        assert not set("\u202e\u202c\u200b\ufffd") & set(text)


def test_failures_come_first_and_it_is_read_without_javascript(browser: Browser, folder: Path) -> None:
    with opened(browser, folder, "few", java_script_enabled=False) as shown:
        assert rows(shown) == ["a.py::test_below", "a.py::test_baseline", "b.py::test_fine", "b.py::test_broken"]
        assert not shown.locator("#filter").is_visible()
        assert shown.locator(".sum").inner_text() == "2 of 4 gates failed"
        shown.locator("#g2 summary").click()
        assert shown.locator("#g2 .points").is_visible()
        assert shown.locator("#g2 .bars").count() == 2


def test_it_filters(browser: Browser, folder: Path) -> None:
    with opened(browser, folder, "few") as shown:
        shown.fill("#find", "b.py FINE")
        assert rows(shown) == ["b.py::test_fine"]
        assert shown.locator("#shown").inner_text() == "1 of 4 shown"
        shown.fill("#find", "no such thing")
        assert shown.locator("#nothing").is_visible()
        shown.fill("#find", "")
        shown.select_option("#metric", "other")
        assert rows(shown) == ["a.py::test_baseline"]
        shown.select_option("#metric", "")
        shown.uncheck("[value=passed]")
        assert rows(shown) == ["a.py::test_below", "a.py::test_baseline"]


def test_it_sorts_both_ways_and_says_so(browser: Browser, folder: Path) -> None:
    with opened(browser, folder, "few") as shown:
        head = shown.locator("th[data-sort=metric]")
        for said, first in (("ascending", "cost"), ("descending", "other")):
            head.locator("button").click()
            assert head.get_attribute("aria-sort") == said
            assert shown.locator("#table > tbody .what b").first.inner_text() == first
        shown.locator("th[data-sort=value] button").click()
        values = [float(text) for text in shown.locator(".value b").all_inner_texts()]
        assert values == sorted(values)
        assert head.get_attribute("aria-sort") is None


def test_keys_alone_do(browser: Browser, folder: Path) -> None:
    with opened(browser, folder, "few") as shown:
        shown.keyboard.press("j")
        shown.keyboard.press("j")
        shown.keyboard.press("Enter")
        assert shown.locator("#g2 .detail").is_visible()
        assert shown.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
        shown.keyboard.press("k")
        assert shown.evaluate("document.activeElement.closest('tbody').id") == "g1"
        shown.keyboard.press("f")
        assert len(rows(shown)) == 2
        shown.keyboard.press("/")
        shown.keyboard.type("fj")
        assert shown.locator("#find").input_value() == "fj"
        shown.keyboard.press("Escape")
        assert len(rows(shown)) == 4


def test_a_link_opens_its_gate(browser: Browser, folder: Path) -> None:
    with opened(browser, folder, "few") as shown:
        shown.evaluate("location.hash = '#g3'")
        shown.wait_for_selector("#g3 details[open]")


def test_counter_examples_show_the_edits(browser: Browser, folder: Path) -> None:
    with opened(browser, folder, "few") as shown:
        shown.locator("#g4 summary").click()
        detail = shown.locator("#g4 .detail")
        assert detail.locator("ins").all_inner_texts() == ["U+200B ZERO WIDTH SPACE"]
        assert detail.locator("del").count() == 0  # the rest of the word stays what it was
        assert "unicode.zerowidth" in detail.inner_text()


def test_it_is_a_table_to_who_does_not_see_it(browser: Browser, folder: Path) -> None:
    with opened(browser, folder, "few", width=400) as shown:
        table = shown.get_by_role("table").first
        assert table.get_by_role("rowheader").count() == 4
        assert table.get_by_role("columnheader").count() == 6
        assert shown.get_by_role("searchbox", name="Find").is_visible()


CONTRASTS = """() => {
  const channels = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((c) => c / 255).map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (one) => {
    for (; one; one = one.parentElement) {
      const colour = channels(getComputedStyle(one).backgroundColor);
      if (colour.length < 4 || colour[3] > 0) return colour;
    }
    return null;
  };
  const found = new Map();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const one = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !one.getClientRects().length) continue;
    const style = getComputedStyle(one);
    const front = one instanceof SVGElement ? style.fill : style.color;
    const [a, b] = [light(channels(front)), light(behind(one))].sort((x, y) => y - x);
    found.set(`${one.localName}.${one.getAttribute("class") ?? ""}`, (a + 0.05) / (b + 0.05));
  }
  return [...found];
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_stands_out_from_what_is_behind_it(browser: Browser, folder: Path, scheme: str) -> None:
    with opened(browser, folder, "few", color_scheme=scheme) as shown:
        shown.evaluate(OPEN_ALL)
        shown.locator("#keys-button").click()
        dark = shown.evaluate("getComputedStyle(document.body).backgroundColor") != "rgb(255, 255, 255)"
        assert dark == (scheme == "dark")
        contrasts = dict(shown.evaluate(CONTRASTS))
        assert {"ins.", "del.", "span.unseen", "span.outcome failed", "text.value", "summary."} <= set(contrasts)
        assert {name: ratio for name, ratio in contrasts.items() if ratio < 4.5} == {}


@pytest.mark.parametrize(
    ("name", "width"),
    [("none", 400), ("one", 400), ("few", 1280), ("few", 400), ("many", 400), ("attacked", 1280), ("attacked", 400)],
)
def test_nothing_is_wider_than_the_window(browser: Browser, folder: Path, name: str, width: int) -> None:
    with opened(browser, folder, name, width=width) as shown:
        if name != "many":
            shown.evaluate(OPEN_ALL)
        assert shown.evaluate("document.documentElement.scrollWidth") == width


def test_a_run_without_measurements_says_so(browser: Browser, folder: Path) -> None:
    with opened(browser, folder, "none") as shown:
        assert "Nothing was measured." in shown.locator("body").inner_text()
        assert shown.locator("#filter").count() == 0


def test_two_thousand_measurements_are_few_enough_elements_to_open_at_once(browser: Browser, folder: Path) -> None:
    """A hundred thousand take seconds, and these less than one; what is out of sight is not laid out."""
    assert (folder / "many.html").stat().st_size < 5_000_000
    with opened(browser, folder, "many") as shown:
        assert shown.locator("#table > tbody").count() == 2000
        assert shown.evaluate("document.querySelectorAll('*').length") < 80_000
        assert (
            shown.locator("#table > tbody").last.evaluate("(one) => getComputedStyle(one).contentVisibility") == "auto"
        )
        assert "1800 gates have a row alone" in shown.locator("#gates").inner_text()
        shown.fill("#find", "gate_199")
        assert shown.locator("#shown").inner_text() == "11 of 2000 shown"


@pytest.mark.slow  # it looks at a clock, if only at that of the browser's own thread
def test_two_thousand_measurements_take_less_than_two_seconds_of_a_processor(browser: Browser, folder: Path) -> None:
    for width in (1280, 400):
        context = browser.new_context(viewport={"width": width, "height": 900})
        shown = context.new_page()
        told = context.new_cdp_session(shown)
        told.send("Performance.enable", {"timeDomain": "threadTicks"})
        shown.goto((folder / "many.html").as_uri())
        metrics = {one["name"]: one["value"] for one in told.send("Performance.getMetrics")["metrics"]}
        assert 0 < metrics["TaskDuration"] < 2
        context.close()
