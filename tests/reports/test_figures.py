import dataclasses
import xml.etree.ElementTree as ElementTree
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from memrnn.reports import draw, inline
from memrnn.runtime.figures import save_figure, svg
from memrnn.tasks import SetDescription
from reports.results_synthetic import (
    COPYING,
    INF,
    NAN,
    PERPLEXITY,
    copying,
    make_evaluation,
    make_result,
    recognition,
)

RESULTS = [make_result(), make_result(freeze=("controller",)), make_result(model="jm-10")]


def test_equal_results_give_equal_drawings_also_from_threads():
    def once(_):
        return svg(draw(RESULTS), "Accuracy")

    with ThreadPoolExecutor(4) as pool:
        texts = set(pool.map(once, range(4)))
    assert len(texts) == 1
    ElementTree.fromstring(texts.pop())


def test_lines_show_the_median_of_each_group_beside_floor_and_bayes():
    figure = draw(RESULTS[:1])
    axis = figure.axes[0]
    (line, *bounds) = axis.get_lines()
    assert list(line.get_xdata()) == [6, 9, 12, 15, 18, 21, 24]
    assert line.get_ydata()[:4] == pytest.approx([0.91, 0.9, 0.89, 0.415])
    floor, bayes = (list(bound.get_ydata()) for bound in bounds)
    assert set(floor) == {0.6}
    assert set(bayes) == {0.95}
    names = {text.get_text() for text in axis.texts}
    assert names == {"floor", "Bayes"}
    assert axis.get_ylim() == (0, 1.1)
    assert figure.get_supxlabel() == "String length" and figure.get_supylabel() == "Accuracy"
    shaded = axis.patches[0].get_bbox()
    assert (shaded.x0, shaded.x1) == (6, 12)


def test_a_task_with_one_baseline_has_a_floor_and_no_bayes():
    axis = draw([recognition()]).axes[0]
    assert {text.get_text() for text in axis.texts} == {"floor"}


def numeric(metrics, sets, values, references=lambda name: {}):
    """A task whose groups are numbers in every set, with two restarts."""
    task = dataclasses.replace(
        COPYING, group_axis="Delay $", metrics=metrics, headline=metrics[0].name,
        selection=metrics[0].name, sets=tuple(SetDescription(name, None) for name in sets),
    )  # fmt: skip
    return make_evaluation(
        task, values, references, groups=lambda name: ["10", "2", "4"], restarts=2, step=0.0
    )


def test_limits_come_from_the_data_and_infinity_is_drawn_at_the_end():
    def values(restart, name):
        return {"error": 2.0 if restart == 0 else NAN}

    figure = draw([numeric(COPYING.metrics, ["all"], values)])
    axis = figure.axes[0]
    low, high = axis.get_ylim()
    assert low < 2.0 < high < 10
    (line,) = axis.get_lines()
    assert list(line.get_xdata()) == [2, 4, 10]  # in the order of numbers
    # The median of 2 and of what is missing, which is the worst.
    assert list(line.get_ydata()) == [high] * 3
    assert "smaller is better" in figure.get_supylabel()
    svg(figure, "A title")


def test_perplexities_far_apart_have_a_logarithmic_axis():
    def values(restart, name):
        return {"perplexity": 1.5 if restart == 0 else 1e6}

    def references(name):
        return {"unigram": {"perplexity": 90.0}, "broken": {"perplexity": INF}}

    axis = draw([numeric((PERPLEXITY,), ["all"], values, references)]).axes[0]
    assert axis.get_yscale() == "log"
    floor = axis.get_lines()[-1].get_ydata()
    assert np.allclose(floor, 90.0)


def test_sets_that_have_the_same_groups_have_panels_of_their_own():
    def values(restart, name):
        return {"error": 0.25 if name == "clean" else 0.5}

    figure = draw([numeric(COPYING.metrics, ["clean", "noisy"], values)])
    titles = [axis.get_title() for axis in figure.axes]
    assert [title.split("\n")[-1] for title in titles] == ["clean", "noisy"]
    heights = [axis.get_lines()[0].get_ydata()[0] for axis in figure.axes]
    assert heights == [0.25, 0.5]


def test_ranges_that_overlap_are_one_axis():
    overlapping = make_result(sets=((6, 12), (9, 24)))
    (line, *_) = draw([overlapping]).axes[0].get_lines()
    assert list(line.get_xdata()) == [6, 9, 12, 15, 18, 21, 24]


def test_files_are_written_and_repeatable(tmp_path):
    contents = []
    for name in ("a", "b"):
        paths = [tmp_path / f"{name}{suffix}" for suffix in (".svg", ".png")]
        for path in paths:
            save_figure(draw(RESULTS), path, "Accuracy")
        contents.append([path.read_bytes() for path in paths])
    assert contents[0] == contents[1]


def test_long_tests_and_missing_panels_are_drawn():
    far = make_result("b", "gru", sets=((6, 12), (300, 600)), determined=False)
    figure = draw([*RESULTS, far])
    assert sum(axis.axison for axis in figure.axes) == 3
    assert figure.axes[-1].get_xscale() == "log"


def test_what_cannot_be_drawn_is_refused():
    with pytest.raises(ValueError, match="cannot be drawn; choose one of accuracy"):
        draw(RESULTS, "perplexity")
    with pytest.raises(ValueError, match="choose one of accuracy, sequence_accuracy"):
        draw(
            [
                make_evaluation(
                    RESULTS[0].task, lambda r, n: {"accuracy": 0.5, "sequence_accuracy": 1}
                )
            ],
            "determined_accuracy",
        )
    with pytest.raises(ValueError, match="no task here has groups that are numbers"):
        draw([copying()])
    with pytest.raises(ValueError, match="no result"):
        draw([])
    with pytest.raises(ValueError, match="Two results are count-3, lstm, nothing frozen"):
        draw([make_result(), make_result()])


def test_a_small_drawing_is_not_made_a_giant():
    text = inline('<svg width="100pt" height="50pt"><g/></svg>', "one", "A title", "What it shows")
    assert text.startswith('<svg id="one"')
    assert 'style="max-width: 180px; --points: 100px"' in text
    assert "pt" not in text.partition("<title")[0]
