"""What a stranger finds on the first screen of a study's page.

Three questions must be answered there, without the rest of the page:

1. Do the networks still solve the task on strings longer than those they were trained on?
2. Does freezing a component help?
3. How good is that, measured by what a trivial predictor and an ideal one get, and how sure is it?
"""

import dataclasses
import functools
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from memrnn.papers.das_mali_2024 import PAPER
from memrnn.reports.study import StudyReport
from memrnn.tasks import BAYES, SetDescription
from reports.page_parser import VOID, Page
from reports.results_synthetic import (
    COPYING,
    ERROR,
    INF,
    RECOGNITION,
    lengths,
    strings_task,
)
from reports.study_synthetic import decisive_like, make_results, make_study, paper_like

NOWHERE = Path("/nowhere/study")
MEGABYTES = 2


class FirstScreen(HTMLParser):
    """The text of a page's first screen: question, sentences, the figure's words, its caption.

    Attributes:
        drawings: how many drawings the first figure has, one per width of window.
    """

    def __init__(self, page):
        super().__init__()
        self.open, self.question, self.sentences, self.words, self.rest = [], "", [], [], ""
        self.drawings = 0
        self.feed(page[: page.index("<nav")])
        self.answer = " ".join(self.sentences)

    def handle_starttag(self, tag, attrs):
        if tag not in VOID:
            self.open.append((tag, dict(attrs).get("class") or ""))
        if tag == "li":
            self.sentences.append("")
        self.drawings += tag == "svg"

    def handle_endtag(self, tag):
        self.open.pop()

    def handle_data(self, data):
        tags = [tag for tag, _ in self.open]
        if ("p", "question") in self.open:
            self.question += data
        elif ("ol", "answer") in self.open and "li" in tags:
            self.sentences[-1] += data.replace("\u00a0", " ")
        elif "svg" in tags and tags[-1] == "text":
            self.words.append(data.strip())
        elif "svg" not in tags and ("header", "") in self.open:
            self.rest += " ".join(data.split()) + " "


class Shortened(StudyReport):
    """Without the figures below the first screen: drawing takes most of the time of a page."""

    @functools.cached_property
    def drawings(self):
        return [drawing for drawing in super().drawings if drawing.kind == "overview"]


def screen(results):
    page = Shortened(results, NOWHERE).page()
    Page(page)
    shown = FirstScreen(page)
    assert len(shown.sentences) == 5
    for sentence in shown.sentences:
        # One sentence each: numbers and names of models have points, but none before a space.
        assert sentence.endswith(".") and ". " not in sentence and "None " not in sentence[5:]
        assert not re.search(r"\bnan\b|\binf\b", sentence)
    return shown


def study(within, beyond, frozen=0.0, restarts=12, **changes):
    """Normalised values by restart on the first and the last set; floor 0.6, Bayes 0.9.

    Args:
        frozen: what a frozen memory adds to the last set, by restart or for all.
    """

    def accuracy(value, restart):
        return 0.6 + 0.3 * (value(restart) if callable(value) else value)

    def made(language, model, freeze, restart):
        first, last = accuracy(within, restart), accuracy(beyond, restart)
        if freeze == "memory" and model != "lstm":
            last += 0.3 * (frozen(restart) if callable(frozen) else frozen)
        return (first, last)

    return make_study(
        made,
        sets=((40, 80), (200, 400)),
        restarts=restarts,
        **{"freeze": ("none", "memory"), "languages": ("count-3", "marked-copy")} | changes,
    )


def alternating(low, high):
    return lambda restart: (low, high)[restart % 2]


def test_a_stranger_is_told_what_the_study_asks():
    shown = screen(study(0.95, 0.95))
    assert shown.question.startswith("Do these networks learn the task, or only the lengths")


@pytest.mark.parametrize(
    ("beyond", "found"),
    [
        (alternating(0.95, 0.97), "the networks still solve the task"),
        (alternating(0.0, 0.05), "do not solve the task and are no better than the best baseline"),
        (alternating(0.4, 0.5), "do not solve the task, but are better than the best baseline"),
        (alternating(-0.3, 0.5), "whether they beat the best baseline is undecided"),
        (alternating(0.8, 1.0), "whether they solve the task is undecided"),
    ],
)
def test_whether_networks_solve_the_task_on_longer_strings(beyond, found):
    shown = screen(study(0.95, beyond))
    within, longer = shown.sentences[1:3]
    assert within.startswith(
        "Within what was trained on (string length 40–80) the networks solve the task:"
    )
    assert longer.startswith("Beyond what was trained on (string length 200–400)")
    assert found in longer


def test_a_wide_interval_decides_nothing():
    shown = screen(
        study(
            0.95,
            lambda restart: 1.0 if restart < 7 else -1.0,
            restarts=10,
            models=("jm-10",),
            languages=("count-3",),
        )
    )
    assert "it is undecided whether the networks still solve the task" in shown.sentences[2]
    assert "too few" not in shown.sentences[2]


@pytest.mark.parametrize(
    ("frozen", "found"),
    [
        (alternating(0.2, 0.3), "Freezing the memory helps:"),
        (alternating(-0.2, -0.3), "Freezing the memory harms:"),
        (alternating(-0.3, 0.3), "Whether freezing the memory helps is undecided:"),
        (0.0, "Freezing the memory changes nothing:"),
    ],
)
def test_whether_freezing_a_component_helps(frozen, found):
    sentence = screen(study(0.95, 0.4, frozen)).sentences[3]
    assert sentence.startswith(found)
    # Of both languages, jm-10 only: lstm has no memory.
    assert "24 pairs" in sentence


def test_several_components_are_judged_each_for_itself():
    def made(language, model, freeze, restart):
        gain = {"none": 0.0, "memory": 0.1, "controller": -0.1}[freeze]
        return (0.89, 0.75 + gain + 0.01 * (restart % 2))

    results = make_study(
        made, sets=((40, 80), (200, 400)), restarts=10, freeze=("none", "memory", "controller")
    )
    sentence = screen(results).sentences[3]
    assert sentence.startswith("Freezing the memory helps; freezing the controller harms:")
    assert "+0.333 with memory frozen" in sentence and "−0.333 with controller frozen" in sentence
    assert "the intervals hold together with 95 %" in sentence


def test_how_good_that_is_and_how_sure():
    shown = screen(study(0.95, alternating(0.4, 0.5), alternating(0.2, 0.3)))
    longer, freezing = shown.sentences[2:4]
    assert "get 0.45 of the way from the best baseline (0) to the Bayes-optimal predictor (1)" in (
        longer
    )
    low, high = map(float, re.findall(r"95 % interval ([\d.]+) to ([\d.]+)", longer)[0])
    assert 0.4 < low < 0.45 < high < 0.5
    assert "(best baseline 0.600, Bayes 0.900)" in longer
    assert re.search(r"by \+0\.250 with memory frozen \(\+0\.2\d\d to \+0\.2\d\d, ", freezing)
    assert "interval" in freezing and "95 %" in freezing
    # What the words mean stands there, too, and both bounds are lines of the figure.
    assert "Best baseline: of predictors that need no training" in shown.rest
    assert "Bayes: the predictor that knows the distribution" in shown.rest
    assert {"floor", "Bayes", "trained on", "nothing frozen", "memory frozen"} <= set(shown.words)
    assert "network without a memory" in shown.words
    assert "its band the middle half of them" in shown.rest
    assert shown.drawings == 2


def test_the_best_single_network_and_how_many_hold():
    def made(language, model, freeze, restart):
        best = (language, model, freeze, restart) == ("marked-copy", "jm-10", "memory", 3)
        return (0.9, 0.89 if best else 0.65)

    kept = {"sets": ((40, 80), (200, 400)), "freeze": ("none", "memory"), "restarts": 10}
    last = screen(make_study(made, **kept)).sentences[4]
    # 2 languages, 10 restarts: jm-10 in two modes, lstm once.
    assert last.startswith("1 of 60 finished runs holds on string length 200–400:")
    assert "jm-10 on marked-copy with memory frozen (restart 3), holds up to 200–400" in last
    assert "has accuracy 0.890 on string length 200–400 (best baseline 0.600, Bayes 0.900)" in last
    none = screen(make_study(lambda *name: (0.9, 0.65), **kept)).sentences[4]
    assert none.startswith("None of 60 finished runs holds") and "holds up to 40–80" in none
    nowhere = screen(make_study(lambda *name: (0.7, 0.65), **kept)).sentences[4]
    assert "none holds on string length 40–80 either" in nowhere


def test_a_study_that_runs_is_preliminary():
    def made(language, model, freeze, restart):
        if restart == 1:
            return {"status": "failed", "reason": "out of memory"}
        return (0.9, 0.7) if restart == 0 else {"status": "planned"}

    results = make_study(made, sets=((40, 80), (200, 400)), restarts=4, freeze=("none", "memory"))
    first = screen(results).sentences[0]
    assert first.startswith("8 of 32 runs are finished: 2 networks on 2 tasks")
    assert "8 failed; 16 are still to come, so all below is preliminary" in first
    assert "preliminary" not in screen(study(0.9, 0.5)).answer


def test_one_restart_gives_no_interval_and_few_decide_nothing():
    one = screen(study(0.95, 0.0, 0.3, restarts=1))
    for sentence in one.sentences[1:4]:
        assert "undecided" in sentence and "a cell with one restart gives no interval" in sentence
        assert "95 %" not in sentence
    few = screen(study(0.95, 0.0, 0.3, restarts=3))
    for sentence in few.sentences[1:4]:
        assert "undecided" in sentence and "3 restarts per cell are too few to decide" in sentence
        assert "95 %" in sentence


def test_a_run_that_failed_or_has_no_number_is_the_worst():
    def made(language, model, freeze, restart):
        if restart % 2:
            return {"status": "failed", "reason": "out of memory"}
        values = {"40:80": {"accuracy": 0.9}, "200:400": {"accuracy": None if restart else 0.9}}
        return {"values": values}

    results = make_study(made, sets=((40, 80), (200, 400)), restarts=10, models=("jm-10",))
    shown = screen(results)
    assert "get 0.00 of the way" in shown.sentences[1]  # half of them failed
    assert "get −0.80 of the way" in shown.sentences[2]  # one of ten has a number


def test_a_share_far_below_the_baseline_is_cut_off_and_the_page_says_so():
    values = {"40:80": {"accuracy": 0.9}, "200:400": {"accuracy": -5.0}}
    shown = screen(
        make_study(
            lambda *_: {"values": values},
            sets=((40, 80), (200, 400)),
            restarts=10,
            models=("jm-10",),
        )
    )
    assert "get −1.00 of the way" in shown.sentences[2]
    assert "The share of a run is cut off at −1 and 1" in shown.rest


def test_without_frozen_components_without_memory_and_without_anything_finished():
    plain = screen(study(0.95, 0.5, models=("lstm",), freeze=("none",)))
    assert plain.sentences[3] == "Nothing is known of freezing: the study freezes no component."
    assert "with nothing frozen they get" in plain.sentences[2]
    assert "memory" not in plain.answer and "memory" not in " ".join(plain.words)
    only_memory = screen(study(0.95, 0.5, models=("lstm",)))
    assert only_memory.sentences[3].startswith("Nothing is known of freezing")
    assert "such runs count once" in only_memory.rest
    frozen = screen(study(0.95, 0.5, freeze=("memory",)))
    assert "with a memory and memory frozen they get" in frozen.sentences[2]
    assert frozen.sentences[3].startswith("Nothing is known of freezing")
    empty = screen(make_study(lambda *name: {"status": "planned"}, restarts=2))
    assert empty.answer.count("nown") >= 4 and empty.drawings == 0


def test_the_task_says_what_its_overview_is_about():
    """Networks that know the determined symbols, on strings that are half random."""
    sets = ((40, 80), (200, 400))
    tasks = [
        dataclasses.replace(strings_task(name, sets, (40, 80)), overview="determined_accuracy")
        for name in ("count-3", "marked-copy")
    ]

    def made(task, model, freeze, restart):
        return {
            "values": {
                f"{a}:{b}": {"accuracy": 0.7, "determined_accuracy": 0.99, "perplexity": 1.5}
                for a, b in sets
            }
        }

    def references(task, name):
        near = 0.98 if task.title == "count-3" else 0.5
        return {
            "repeat-last": {"accuracy": 0.6, "determined_accuracy": near, "perplexity": 2.0},
            BAYES: {"accuracy": 0.75, "determined_accuracy": 1.0, "perplexity": 1.25},
        }

    shown = screen(make_results(tasks, made, references, groups=lengths, restarts=10))
    assert (
        "the median determined accuracy is 0.990 on marked-copy (best baseline 0.500"
        in (shown.sentences[2])
    )
    assert "Left out: count-3, where the best baseline is less than 0.05 from Bayes." in shown.rest
    assert "Determined accuracy, and nats per symbol above" in shown.rest
    assert "count-3" in shown.words  # in the figure all the same
    # Without such a number the headline metric takes its place.
    without = [dataclasses.replace(task, overview="sequence_accuracy") for task in tasks]
    other = screen(make_results(without, made, references, groups=lengths, restarts=10))
    assert "median accuracy goes from 0.700" in other.sentences[2]


def test_smaller_is_better():
    task = dataclasses.replace(RECOGNITION, metrics=(ERROR,), selection="error", headline="error")

    def made(task, model, freeze, restart):
        last = (0.2 if freeze == "memory" else 0.3) + 0.001 * restart
        return {"values": {"3:12": {"error": 0.1}, "15:24": {"error": last}}}

    def references(task, name):
        return {"always": {"error": 0.5}, "never": {"error": 0.9}, BAYES: {"error": 0.1}}

    kept = {"groups": lengths, "restarts": 10, "freeze": ("none", "memory")}
    shown = screen(make_results([task], made, references, **kept))
    assert "Within what was trained on (length 3–12) the networks solve the task" in shown.answer
    assert "do not solve the task, but are better than the best baseline" in shown.sentences[2]
    assert shown.sentences[3].startswith("Freezing the memory helps")
    assert "by +0.250 with memory frozen" in shown.sentences[3]
    # Without references a difference of errors has its sign turned, and nothing is solved.
    bare = screen(make_results([task], made, **kept))
    assert "no score says that a task is solved" in bare.sentences[2]
    assert bare.sentences[3].startswith("Freezing the memory helps: on length 15–24")
    assert "(turned so that larger is better), paired by seed, by +0.100" in bare.sentences[3]
    assert bare.sentences[4].startswith("How many of 30 finished runs hold is not known: the best")
    assert "floor" not in bare.words and "Bayes" not in bare.words


def test_groups_without_numbers_and_tasks_of_other_metrics():
    def made(task, model, freeze, restart):
        if task == COPYING:
            return {"values": {"all": {"error": 2.0 + restart}}, "reference": None}
        return {"values": {"3:12": {"accuracy": 0.9}, "15:24": {"accuracy": 0.5}}}

    def groups(name):
        return lengths(name) if ":" in name else ["first half", "second half"]

    mixed = screen(make_results([RECOGNITION, COPYING], made, groups=groups, restarts=3))
    assert "Left out: copying [bold]far[/], by another metric." in mixed.rest
    assert {"recognition of count-3", "all", "accuracy", "error"} <= set(mixed.words)
    only = screen(make_results([COPYING], made, groups=groups, restarts=3))
    assert only.sentences[2].startswith("Nothing is known beyond what was trained on")
    assert "by evaluation set" in only.rest
    none = dataclasses.replace(COPYING, sets=())
    bare = make_results([none], lambda *name: {"values": {}}, groups=groups, restarts=2)
    assert screen(bare).drawings == 0
    inside = dataclasses.replace(COPYING, sets=(SetDescription("all", "within"),))
    assert (
        "Within what was trained on (all)"
        in screen(
            make_results(
                [inside],
                lambda *name: {"values": {"all": {"error": 2.0}}},
                groups=groups,
                restarts=2,
            )
        ).sentences[1]
    )


def test_infinite_nats_stand_at_the_end_of_their_axis():
    def made(language, model, freeze, restart):
        last = {"accuracy": 0.6, "perplexity": INF}
        return {"values": {"40:80": {"accuracy": 0.9, "perplexity": 1.1}, "200:400": last}}

    results = make_study(made, sets=((40, 80), (200, 400)), restarts=3)
    shown = screen(results)
    assert "What is infinite stands at the end of its axis." in shown.rest
    assert "infinite" not in screen(study(0.95, 0.5)).rest


@pytest.mark.parametrize(
    "made",
    [
        pytest.param(functools.partial(paper_like, restarts=3), id="336"),
        pytest.param(decisive_like, id="576", marks=pytest.mark.slow),
    ],
)
def test_a_page_stays_small(made):
    results = made()
    runs = [run for cell in results.cells for run in cell.runs]
    assert len(runs) in (336, 576)
    page = StudyReport(results, NOWHERE, PAPER).page()
    assert len(page.encode()) < MEGABYTES * 1e6
    assert len(FirstScreen(page).sentences) == 5
