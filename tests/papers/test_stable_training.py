"""The questions of the ablation of discrete training, on studies that nobody ran."""

import re
from collections.abc import Callable, Mapping
from importlib import resources

import pytest

from memrnn.errors import MemrnnError
from memrnn.papers.stable_training import Ablation, Answer, answers, draw_ablation
from memrnn.studies import StudyResults, load_study
from memrnn.tasks import BAYES, TaskDescription
from memrnn.training import TrainingConfig
from reports.results_synthetic import Values, strings_task
from reports.study_synthetic import MEMORIES, Made, make_results

CLAIMS = ("stable", "stable-quiet")
HALVES = ("stable-halves-40-80", "stable-halves-quiet-40-80")
RECIPES = ("lstm:discrete+jm-3.3.3:hard", "elman-48:discrete+jm-3x16:hard")
MEMORIES["lstm:discrete"] = "none"

Share = Callable[[str, str, bool, int], float]
"""Of language, model, noise and restart: the share of strings far beyond that are right."""


def results(
    share: Share,
    *,
    noise: bool,
    restarts: int = 10,
    excess: float = 0.0,
    studies: tuple[str, str] = CLAIMS,
) -> StudyResults:
    shipped = load_study(studies[0] if noise else studies[1])
    bins = [bounds.split(":") for bounds in shipped.options["strings"]["length_bins"]]
    sets = [(int(low), int(high)) for low, high in bins]

    def made(task: TaskDescription, model: str, freeze: str, restart: int) -> Made:
        far = share(task.title, model, noise, restart)
        perplexity = 1.5 * (1 + excess * (model in RECIPES))
        values = {
            f"{low}:{high}": {"sequence_accuracy": far if low > 160 else 1.0,
                              "perplexity": perplexity}
            for low, high in sets
        }  # fmt: skip
        return {"values": values}

    def references(task: TaskDescription, name: str) -> Mapping[str, Values]:
        return {BAYES: {"sequence_accuracy": 1.0, "perplexity": 1.4}}

    languages = [spec.partition(":")[2] for spec in shipped.tasks]
    return make_results(
        [strings_task(language, sets, sets[0]) for language in languages], made, references,
        groups=lambda name: [name.partition(":")[2]], models=shipped.models, freeze=("none",),
        restarts=restarts, config=TrainingConfig(gate_noise=0.5 if noise else 0.0),
    )  # fmt: skip


def answered(
    share: Share,
    restarts: int = 10,
    excess: float = 0.0,
    studies: tuple[str, str] = CLAIMS,
) -> list[Answer]:
    return answers(
        *(
            results(share, noise=noise, restarts=restarts, excess=excess, studies=studies)
            for noise in (True, False)
        )
    )


def pilot(language: str, model: str, noise: bool, restart: int) -> float:
    """As the pilot has it: the recipe holds, half of the time without noise, nothing else does."""
    held = model in RECIPES and language != "marked-copy" and (noise or restart % 2 == 0)
    return 1.0 if held else 0.999


def test_the_answers_to_a_study_like_the_pilot() -> None:
    found = answered(pilot)
    assert [(one.key, one.answer) for one in found] == [
        ("A", "yes"), ("B", "no"), ("C", "yes"), ("C", "yes"), ("D", "yes"), ("E", "yes"),
        ("F", "yes"),
    ]  # fmt: skip
    assert "count-3 10 of 10" in found[0].numbers and "count-3 0 of 10" in found[1].numbers
    assert "of 40 pairs 40 hold with the recipe only, 0 with the other only" in found[2].numbers
    # Of 20 discordant pairs all point one way: 2 times .5 to the power of 20.
    assert found[4].numbers.endswith("20 hold with the recipe only, 0 with the other only; "
                                     "p = 1.9e-06")  # fmt: skip


def test_the_answers_to_the_ablation_from_the_papers_lengths() -> None:
    def share(language: str, model: str, noise: bool, restart: int) -> float:
        # Noise alone holds in half of the restarts, the discrete state alone in all but seven:
        # p is between .05 / 4 and .05 / 3.
        half = model == "elman-48+jm-3x16" and noise and restart % 2 == 0
        state = model == "elman-48:discrete+jm-3x16" and (language != "count-3" or restart > 6)
        return 1.0 if half or state else pilot(language, model, noise, restart)

    found = answered(share, studies=HALVES)
    assert [(one.key, one.answer) for one in found] == [
        ("1", "no"), ("2", "undecided"), ("3", "yes"), ("4", "yes"), ("5", "yes"),
    ]  # fmt: skip
    assert found[1].numbers.endswith(
        "7 hold with the recipe only, 0 with the other only; p = 0.016"
    )
    assert "of 40 pairs 20 hold with the recipe only" in found[3].numbers


def test_one_wrong_string_is_not_holding_and_one_restart_too_few_is_no() -> None:
    def share(language: str, model: str, noise: bool, restart: int) -> float:
        if (language, restart) in (("count-3", 0), ("count-3", 1)):
            return 0.999
        return pilot(language, model, noise, restart)

    first, *_ = answered(share)
    assert first.answer == "no" and "count-3 8 of 10" in first.numbers


def test_few_discordant_pairs_decide_nothing() -> None:
    def share(language: str, model: str, noise: bool, restart: int) -> float:
        helped = noise or restart > 1 or language in ("count-and-copy", "marked-reversal")
        return 1.0 if model in RECIPES and helped else 0.5

    noise = answered(share)[4]
    assert noise.answer == "undecided" and "4 hold with the recipe only" in noise.numbers


def test_a_control_that_holds_and_a_cost_are_seen() -> None:
    def share(language: str, model: str, noise: bool, restart: int) -> float:
        return 1.0 if model == "lstm:discrete" and language == "count-3" and restart == 3 else 0.0

    *_, controls, cost = answered(share, excess=0.2)
    assert controls.answer == "no" and "lstm:discrete on count-3 1 of 10" in controls.numbers
    assert cost.answer == "no"


def test_fewer_restarts_are_preliminary() -> None:
    assert all(one.answer.endswith(", preliminary") for one in answered(pilot, restarts=4))


def test_two_studies_with_noise_are_refused() -> None:
    one = results(pilot, noise=True)
    with pytest.raises(MemrnnError, match=r"gate_noise 0\.5 and 0\.5"):
        answers(one, one)


def test_networks_of_no_ablation_are_refused() -> None:
    studies = "stable-halves-40-80", "stable-quiet"
    with pytest.raises(MemrnnError, match="not those of an ablation"):
        answered(pilot, studies=studies)


def test_every_question_of_the_rules_is_answered() -> None:
    text = resources.files("memrnn.papers.stable_training").joinpath("claims.md").read_text("utf-8")
    keys = re.findall(r"^\| ([A-Z]) \|", text, re.MULTILINE)
    assert list(dict.fromkeys(one.key for one in answered(pilot))) == keys


def test_every_rule_of_the_ablation_from_the_papers_lengths_is_answered() -> None:
    path = "studies/stable-halves-40-80.toml"
    text = resources.files("memrnn.papers.stable_training").joinpath(path).read_text("utf-8")
    keys = re.findall(r"^# ([0-9])\. ", text, re.MULTILINE)
    assert [one.key for one in answered(pilot, studies=HALVES)] == keys


@pytest.mark.parametrize("studies", [CLAIMS, HALVES])
def test_the_two_studies_differ_in_noise_alone(studies: tuple[str, str]) -> None:
    noisy, quiet = map(load_study, studies)
    assert noisy.options == quiet.options and noisy.seed == quiet.seed
    assert set(quiet.models) <= set(noisy.models) and set(quiet.tasks) <= set(noisy.tasks)
    a, b = ({**vars(one.config), "gate_noise": None} for one in (noisy, quiet))
    assert a == b


def test_the_figure_has_a_line_for_every_drawn_cell_that_has_restarts() -> None:
    figure = draw_ablation(Ablation(results(pilot, noise=True), results(pilot, noise=False)))
    names = {text.get_text() for legend in figure.legends for text in legend.get_texts()}
    assert {"recipe", "untouched"} <= names and len(figure.axes) == 4
    recipe, *_ = figure.axes[0].get_lines()
    assert all(abs(float(share) - 1) < 0.03 for share in recipe.get_ydata())
