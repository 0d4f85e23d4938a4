import dataclasses

from memrnn.reports import find
from reports.results_synthetic import (
    ERROR,
    NAN,
    RECOGNITION,
    copying,
    make_evaluation,
    make_result,
    recognition,
)


def text(findings):
    return "\n".join(f"{finding.headline} {finding.detail}" for finding in findings)


def test_learning_without_generalising_is_said_with_its_numbers():
    result = make_result(accuracies=((0.95, 0.5), (0.94, 0.4)))
    said = text(find([result]))
    assert "1 of 1 experiments learned 6–12 by accuracy" in said
    assert "every restart of theirs falls below the floor" in said
    assert "0.950" in said
    assert "0.400 to 0.500" in said


def test_a_network_that_holds_is_not_called_broken():
    said = text(find([make_result(accuracies=((0.95, 0.95), (0.94, 0.94)))]))
    assert "1 of them keeps it on 15–24" in said
    assert "floor" not in said.split(".")[0]


def test_nothing_is_said_to_be_learned_if_it_is_not():
    said = text(find([make_result(accuracies=((0.7, 0.5),))]))
    assert "no network learned even 6–12" in said


def test_the_floor_is_named_only_if_every_restart_lies_on_it():
    on = make_result(freeze=("controller",), accuracies=((0.7, 0.6), (0.7, 0.605)))
    off = make_result(freeze=("controller",), accuracies=((0.7, 0.6), (0.7, 0.7)))
    assert "the baseline repeat-last scores 0.600" in text(find([on]))
    assert "the baseline" not in text(find([off]))


def test_bit_equality_is_said_only_if_it_was_found():
    whole, frozen = make_result(), make_result(freeze=("memory",))
    said = text(find([whole, frozen]))
    assert "scores the same with memory frozen as with nothing frozen" in said
    assert "All scores of 3 pairs of restarts agree to the last bit" in said
    other = dataclasses.replace(frozen.runs[0], excess=frozen.runs[0].excess + 1e-9)
    near = dataclasses.replace(frozen, runs=(other, *frozen.runs[1:]))
    for some in ([whole], [whole, near], [frozen]):
        assert "the same" not in text(find(some))


def test_diverged_restarts_are_counted():
    assert "1 of 3 restarts diverged" in text(find([make_result(diverged=(1,))]))


def test_a_task_without_anything_optimal_has_a_best_network_and_a_floor():
    said = text(find([recognition(), recognition(((0.9, 0.5),), freeze=("memory",))]))
    assert "on 15–24, the best restart of gru with nothing frozen has the best accuracy" in said
    assert "floor 0.500 by accept" in said
    assert "gru with memory frozen scores 0.500 on 15–24, and the baseline accept" in said


def test_the_best_of_a_metric_to_be_minimised_is_the_smallest():
    said = text(find([copying((2.5, 3.0)), copying((1.5, 9.0), model="gru")]))
    assert "on all, the best restart of gru with nothing frozen has the best error, 1.500" in said
    assert "1.500 to 9.000" in said and "no reference" in said


def test_below_the_floor_is_the_worse_side_of_it():
    task = dataclasses.replace(RECOGNITION, metrics=(ERROR,), selection="error", headline="error")

    def found(errors):
        result = make_evaluation(
            task,
            lambda restart, name: {"error": errors[name != "3:12"]},
            lambda name: {
                "always": {"error": 0.5},
                "worse": {"error": 0.9},
                "bayes": {"error": 0.1},
            },
        )
        return text(find([result]))

    assert "every restart of theirs falls below the floor" in found((0.1, 0.7))
    assert "none of them keeps it on" in found((0.1, 0.4))
    assert "1 of them keeps it on" in found((0.1, 0.12))
    assert "no network learned" in found((0.4, 0.4))


def test_scores_that_are_not_numbers_are_counted():
    assert "1 score of the headline metric that is missing or not a number" in text(
        find([copying((2.5, NAN, 3.0))])
    )
    assert "not a number" not in text(find([copying((2.5, 3.0))]))
