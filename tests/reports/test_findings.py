from memrnn.reports import Equality, find
from reports.results_synthetic import make_result


def text(findings):
    return "\n".join(f"{finding.headline} {finding.detail}" for finding in findings)


def test_learning_without_generalising_is_said_with_its_numbers():
    result = make_result(accuracies=((0.95, 0.5), (0.94, 0.4)))
    said = text(find([result], (6, 12)))
    assert "1 of 1 experiments learned the training lengths" in said
    assert "every restart of theirs falls below the floor" in said
    assert "0.950" in said
    assert "0.400 to 0.500" in said


def test_a_network_that_holds_is_not_called_broken():
    said = text(find([make_result(accuracies=((0.95, 0.95), (0.94, 0.94)))], (6, 12)))
    assert "1 of them still hold on 15–24" in said
    assert "floor" not in said.split(".")[0]


def test_nothing_is_said_to_be_learned_if_it_is_not():
    said = text(find([make_result(accuracies=((0.7, 0.5),))], (6, 12)))
    assert "no network learned even the training lengths" in said


def test_the_floor_is_named_only_if_every_restart_lies_on_it():
    on = make_result(freeze=("controller",), accuracies=((0.7, 0.6), (0.7, 0.605)))
    off = make_result(freeze=("controller",), accuracies=((0.7, 0.6), (0.7, 0.7)))
    assert "repeating the last symbol scores 0.600" in text(find([on], (6, 12)))
    assert "repeating the last symbol" not in text(find([off], (6, 12)))


def test_bit_equality_is_said_only_if_it_was_found():
    equal = Equality("count-3", "lstm", "nothing", "memory", 3, 3, 100)
    other = Equality("count-3", "jm-10", "nothing", "memory", 3, 2, 100)
    assert "bit-equal" not in text(find([make_result()], (6, 12)))
    said = text(find([make_result()], (6, 12), [equal, other]))
    assert "lstm with memory frozen is bit-equal to the same with nothing frozen" in said
    assert "jm-10 with memory frozen is not bit-equal" in said
    assert "2 of 3 pairs" in said


def test_diverged_restarts_are_counted():
    assert "1 of 3 restarts diverged" in text(find([make_result(diverged=(1,))]))
