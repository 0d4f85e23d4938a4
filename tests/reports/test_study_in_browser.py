"""The page of a study in a real browser: it sorts, shows its figures, and asks for nothing."""

import os
import shutil

import pytest

from memrnn.papers.das_mali_2024 import PAPER
from memrnn.reports.study import StudyReport
from reports.study_synthetic import make_study
from reports.text_synthetic import treebank_like

sync_api = pytest.importorskip("playwright.sync_api")

NAMES = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip


@pytest.fixture(scope="module")
def browser():
    path = next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        reason = f"There is no browser; install one of {', '.join(NAMES)}."
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    """The report of a made-up study with the longest names that there are."""

    def made(language, model, freeze, restart):
        if (model, freeze) == ("jm-10", "controller"):
            return {"status": "failed", "reason": "a rather long reason, " * 8}
        return (0.8 + 0.02 * restart, 0.7, 0.6 + 0.03 * len(freeze) / 17)

    languages = ["count-3", "unmarked-copy-different-alphabets"]
    results = make_study(made, languages=languages, restarts=3)
    folder = tmp_path_factory.mktemp("study")
    return StudyReport(results, folder, PAPER).write(folder / "report").as_uri()


@pytest.fixture(scope="module")
def text_url(tmp_path_factory):
    """The report of a made-up study of the Treebank, with names of models that are long."""
    results = treebank_like(lambda model, freeze, restart: 120.0 + restart, restarts=2)
    folder = tmp_path_factory.mktemp("text")
    return StudyReport(results, folder, PAPER).write(folder / "report").as_uri()


class Visit:
    """A page that was opened, with every request and every complaint of the browser."""

    def __init__(self, browser, url, width, **options):
        self.requests, self.complaints = [], []
        self.page = browser.new_page(viewport={"width": width, "height": 900}, **options)
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.goto(url)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.page.close()

    def column(self, table, number):
        return self.page.eval_on_selector_all(
            f"{table} tbody tr",
            f"rows => rows.map(row => row.cells[{number}])"
            ".map(cell => cell.dataset.value ?? cell.textContent)",
        )


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 1280])
def test_the_page_fits_and_shows_its_figures(browser, url, width, scheme):
    with Visit(browser, url, width, color_scheme=scheme) as visit:
        wide = visit.page.evaluate("document.documentElement.scrollWidth")
        assert wide <= width
        boxes = [
            figure.locator("svg:visible").evaluate_all(
                "all => all.map(one => [one.getBoundingClientRect().width,"
                " one.getBoundingClientRect().height])"
            )
            for figure in visit.page.locator("figure").all()
        ]
        assert len(boxes) == 1 + 4 + 1 + 2
        # One drawing of each figure shows, as wide as there is room; small ones less. On a phone
        # those that would become too small scroll in their box; the first one never does.
        for number, ((across, down),) in enumerate(boxes):
            assert 0.4 * width < across <= (width if number == 0 or width > 720 else 1000)
            assert down > 100
        assert visit.page.title() and visit.page.locator(".claims > li").count() == 11


@pytest.mark.parametrize(("width", "height"), [(1280, 800), (390, 844)])
def test_question_and_answer_come_first(browser, url, width, height):
    with Visit(browser, url, width) as visit:
        tops = [
            visit.page.locator(name).first.bounding_box()
            for name in (".question", ".answer", "header figure", "nav")
        ]
        places = [box["y"] for box in tops]
        assert places == sorted(places)
        assert places[0] < 100
        if width == 1280:
            assert tops[2]["y"] < 0.6 * height
            assert visit.page.locator("header figcaption").bounding_box()["y"] < height


def test_nothing_is_asked_for_and_nothing_goes_wrong(browser, url):
    with Visit(browser, url, 1280) as visit:
        visit.page.locator("thead th button").first.click()
        visit.page.wait_for_load_state("networkidle")
        assert visit.requests == [url]
        assert visit.complaints == []


TABLE = "table[data-sortable]:has(caption:text-matches('^count-3'))"


def numbers(values):
    return [float(value) for value in values if value]


def texts(table):
    return {
        tuple(row.locator("th, td").all_inner_texts()) for row in table.locator("tbody tr").all()
    }


def test_headings_sort_by_click(browser, url):
    with Visit(browser, url, 1280) as visit:
        table = visit.page.locator(TABLE)
        visit.page.evaluate(
            "document.querySelectorAll('caption').forEach(one => {"
            " if (one.textContent.startsWith('count-3')) one.closest('table').id = 'chosen'; })"
        )
        headings = table.locator("thead th")
        median = headings.filter(has_text="median")
        place = headings.all_inner_texts().index(median.inner_text())
        before = visit.column("#chosen", place)
        assert median.get_attribute("aria-sort") is None
        for order, reverse in (("descending", True), ("ascending", False), ("descending", True)):
            median.get_by_role("button").click()
            after = visit.column("#chosen", place)
            assert median.get_attribute("aria-sort") == order
            assert numbers(after) == sorted(numbers(before), reverse=reverse)
            assert sorted(after) == sorted(before)
            missing = before.count("")
            assert after[len(after) - missing :] == [""] * missing
        assert numbers(before) != sorted(numbers(before), reverse=True)
        # Rows move as a whole: another column follows its own.
        rows = texts(table)
        model = headings.filter(has_text="model")
        model.get_by_role("button").click()
        assert model.get_attribute("aria-sort") == "ascending"
        assert median.get_attribute("aria-sort") is None
        names = visit.column("#chosen", 0)
        assert names == sorted(names) and len(set(names)) == 2
        assert rows == texts(table)


def test_headings_sort_by_keyboard(browser, url):
    with Visit(browser, url, 1280) as visit:
        table = visit.page.locator("table[data-sortable]").first
        first, second = table.locator("thead th button").all()[:2]
        first.focus()
        visit.page.keyboard.press("Enter")
        heading = table.locator("thead th").nth(0)
        assert heading.get_attribute("aria-sort") == "ascending"
        visit.page.keyboard.press("Space")
        assert heading.get_attribute("aria-sort") == "descending"
        visit.page.keyboard.press("Tab")
        assert second.evaluate("one => one === document.activeElement")


def test_without_javascript_everything_is_there(browser, url):
    with Visit(browser, url, 1280) as visit:
        with_it = visit.page.locator("td").all_inner_texts()
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(url)
    assert page.locator("td").all_inner_texts() == with_it
    assert page.locator("thead th button").count() == 0
    assert page.locator("thead th", has_text="median").first.is_visible()
    context.close()


CUT = """svg => {
    const box = svg.viewBox.baseVal, edge = 1;
    const outside = text => {
        const one = svg.getScreenCTM().inverse().multiply(text.getScreenCTM());
        const found = text.getBBox();
        const corners = [[0, 0], [0, 1], [1, 0], [1, 1]].map(([right, down]) =>
            new DOMPoint(found.x + right * found.width, found.y + down * found.height)
                .matrixTransform(one));
        return corners.some(({x, y}) => x < box.x - edge || x > box.x + box.width + edge
            || y < box.y - edge || y > box.y + box.height + edge);
    };
    return [...svg.querySelectorAll("text")].filter(outside).map(text => text.textContent);
}"""
"""Texts that are not whole within their drawing, of which some points may be lost."""


@pytest.mark.parametrize("page", ["url", "text_url"])
def test_no_text_of_a_drawing_is_cut_off(browser, page, request):
    with Visit(browser, request.getfixturevalue(page), 1100) as visit:
        shown = [svg for svg in visit.page.query_selector_all(".drawing svg") if svg.is_visible()]
        assert len(shown) > 2
        assert [svg.evaluate(CUT) for svg in shown] == [[]] * len(shown)


OVERLAPS = """svg => {
    const names = [...svg.querySelectorAll("text")].filter(text => /^lstm/.test(text.textContent))
        .map(text => text.getBoundingClientRect());
    return names.filter((one, index) => names.slice(index + 1).some(other =>
        one.left < other.right && other.left < one.right && one.height < 20 &&
        one.top < other.bottom && other.top < one.bottom)).length;
}"""
"""How many names that are written level touch a later one."""


def test_names_of_models_are_not_written_over_each_other(browser, text_url):
    with Visit(browser, text_url, 1100) as visit:
        shown = [svg for svg in visit.page.query_selector_all(".drawing svg") if svg.is_visible()]
        assert [svg.evaluate(OVERLAPS) for svg in shown] == [0] * len(shown)
