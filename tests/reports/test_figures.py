import xml.etree.ElementTree as ElementTree
from concurrent.futures import ThreadPoolExecutor

import pytest

from memrnn.reports import draw, save_figure, svg
from reports.results_synthetic import make_result

RESULTS = [make_result(), make_result(freeze=("controller",)), make_result(model="jm-10")]


def test_equal_results_give_equal_drawings_also_from_threads():
    def once(_):
        return svg(draw(RESULTS, training_lengths=(6, 12)), "Accuracy")

    with ThreadPoolExecutor(4) as pool:
        texts = set(pool.map(once, range(4)))
    assert len(texts) == 1
    ElementTree.fromstring(texts.pop())


def test_lines_show_the_median_of_each_length():
    figure = draw(RESULTS[:1])
    (line, *bounds) = figure.axes[0].get_lines()
    assert list(line.get_xdata()) == [6, 9, 12, 15, 18, 21, 24]
    assert line.get_ydata()[:4] == pytest.approx([0.9, 0.89, 0.88, 0.4])
    floor, ceiling = (list(bound.get_ydata()) for bound in bounds)
    assert set(floor) == {0.6}
    assert set(ceiling) == {0.95}
    names = {text.get_text() for text in figure.axes[0].texts}
    assert names == {"floor", "ceiling"}


def test_files_are_written_and_repeatable(tmp_path):
    contents = []
    for name in ("a", "b"):
        paths = save_figure(draw(RESULTS), tmp_path / name, "Accuracy")
        contents.append([path.read_bytes() for path in paths])
    assert contents[0] == contents[1]


def test_long_tests_and_missing_panels_and_scores_are_drawn():
    far = make_result(language="b", model="gru", bins=((6, 12), (300, 600)), determined=False)
    figure = draw([*RESULTS, far])
    assert sum(axis.axison for axis in figure.axes) == 3
    draw([far], "determined_accuracy")


def test_what_cannot_be_drawn_is_refused():
    with pytest.raises(ValueError, match="cannot be drawn"):
        draw(RESULTS, "perplexity")
    with pytest.raises(ValueError, match="no result"):
        draw([])
    with pytest.raises(ValueError, match="Two results are count-3, lstm, nothing frozen"):
        draw([make_result(), make_result()])
