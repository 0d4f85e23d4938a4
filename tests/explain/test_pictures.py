"""What a net does along a string, printed within 80 columns and drawn."""

import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest
from explanations import SYMBOLS, printed, sharpened

from memrnn.explain import Explanation, StackRun, draw_explanation, explain
from memrnn.nn.memories import best_run
from memrnn.nn.models import get_model
from memrnn.nn.network import OneHot
from memrnn.runtime.figures import check_figure_path, save_figure


def string_of(length: int) -> list[int]:
    return [int(token) for token in np.random.default_rng(0).integers(0, 3, length)]


def hand_made(length: int, states: int = 2, symbols: int = 3) -> Explanation:
    """A best run that pushes, replaces and pops, and predictions of which some are right."""
    rng = np.random.default_rng(length)
    shape = (length - 1, states, symbols, states, symbols)
    weights = rng.normal(size=shape), rng.normal(size=shape), 2 + rng.normal(size=shape[:4])
    run = best_run(*weights)
    marginals = rng.dirichlet(np.ones(states * symbols), length).reshape(length, states, symbols)
    probabilities = rng.dirichlet(np.ones(4), length + 1)
    return Explanation(
        tuple(string_of(length)),
        (*string_of(length), 3),
        probabilities,
        StackRun(run, 0.02, marginals),
    )


@pytest.fixture(scope="module")
def explained() -> dict[str, Explanation]:
    """Long, short and shortest strings; of each kind of trace, some for each layout."""
    cases = {
        "three stacks, 20": ("gru+jm-3.3.3", 20),
        "three stacks, 80": ("gru+jm-3.3.3", 80),
        "strengths, 20": ("gru+strat-4", 20),
        "best run, 20": ("gru+rns-2-3", 20),
        "best run with vectors, 2": ("gru+vrns-1-2-2", 2),
    }
    found = {f"by hand, {length}": hand_made(length) for length in (2, 20, 80)}
    for name, (model, length) in cases.items():
        network = sharpened(get_model(model).build(OneHot(3), 4, seed=0))
        found[name] = explain(network, string_of(length), [*string_of(length), 3])
    return found


def test_it_fits_into_80_columns(explained: dict[str, Explanation]) -> None:
    for name, explanation in explained.items():
        text = printed(explanation)
        assert max(map(len, text.splitlines())) <= 80, name
        assert text.startswith("what it is\n")
        assert "…" not in text, "nothing is cut off"
        assert "A note." in text
        right = int(explanation.right.sum())
        assert f"{right} of {len(explanation.tokens) + 1} predictions are right" in text


def test_a_short_string_has_a_row_for_each_symbol() -> None:
    explanation = hand_made(20)
    assert isinstance(explanation.trace, StackRun)
    rows = [line for line in printed(explanation).splitlines() if re.match(r" ?\d+ ", line)][:21]
    run = explanation.trace.run
    for t, row in enumerate(rows):
        assert ("✗" in row) == (not explanation.right[t])
        cells = row.replace("✗", "").split()
        assert cells[0] == str(t)
        if t:
            assert cells[1] == SYMBOLS[explanation.tokens[t - 1]]
        assert float(cells[1 + (t > 0)]) == pytest.approx(explanation.probability[t], abs=1e-3)
        if 0 < t < 20:
            action = run.actions[t - 1]
            assert cells[3] == action.kind
            state, top, share, height, bar = cells[-5:]
            assert (int(state), int(top)) == (run.states[t], run.tops[t])
            assert int(height) == run.heights[t]
            assert float(share) == pytest.approx(
                explanation.trace.marginals[t, run.states[t], run.tops[t]], abs=1e-3
            )
            assert set(bar) <= set("▏▎▍▌▋▊▉█")


def test_a_long_string_is_written_in_blocks() -> None:
    explanation = hand_made(80)
    assert isinstance(explanation.trace, StackRun)
    lines = printed(explanation).split("predictions are")[0].splitlines()

    def joined(name: str) -> str:
        return "".join(line[12:].ljust(41)[:41] for line in lines if line.startswith(name))

    assert joined("symbol").strip() == "".join(SYMBOLS[token] for token in explanation.tokens)
    signs = {"push": "+", "replace": "=", "pop": "-"}
    actions = "".join(signs[action.kind] for action in explanation.trace.run.actions)
    assert joined("action").strip() == actions
    assert joined("state ").strip() == "".join(map(str, explanation.trace.run.states))
    assert (
        joined("wrong")[:81].rstrip()
        == "".join(" " if right else "✗" for right in explanation.right).rstrip()
    )
    assert "after 0 to 40 symbols" in lines
    assert "after 41 to 80 symbols" in lines


def test_symbols_of_several_characters_and_many_stack_symbols_find_room() -> None:
    symbols = ("zero", "one", "two", "end")
    for length in (20, 80):
        text = printed(hand_made(length, states=2, symbols=12), symbols)
        assert max(map(len, text.splitlines())) <= 80
        assert text.count("zero") == string_of(length).count(0)
        draw_explanation(hand_made(length), symbols, "title")


def test_the_figure_shows_every_symbol_and_action(explained: dict[str, Explanation]) -> None:
    for name, explanation in explained.items():
        figure = draw_explanation(explanation, SYMBOLS, name)
        labels = [label.get_text() for label in figure.axes[-2].get_xticklabels()]
        assert labels == [*(SYMBOLS[token] for token in explanation.tokens), "end"]
        wrong, bars = figure.axes[0].containers
        np.testing.assert_allclose([bar.get_height() for bar in bars], explanation.probability)
        places = [bar.get_x() + bar.get_width() / 2 for bar in wrong]
        np.testing.assert_allclose(places, np.flatnonzero(~explanation.right) + 1)
    figure = draw_explanation(hand_made(20), SYMBOLS, "title")
    run = hand_made(20).trace.run
    texts = [text.get_text() for text in figure.axes[1].texts]
    signs = {"push": "+", "replace": "=", "pop": "–"}
    assert texts == [f"{signs[a.kind]}{'' if a.symbol is None else a.symbol}" for a in run.actions]
    assert [text.get_position()[0] for text in figure.axes[1].texts] == list(np.arange(19) + 1.5)
    (heights,) = [patch for patch in figure.axes[3].patches if hasattr(patch, "get_data")]
    assert list(heights.get_data().values) == list(run.heights)


def test_figures_are_written_in_three_formats_and_repeatable(tmp_path: Path) -> None:
    begins = {".svg": b"<?xml", ".pdf": b"%PDF", ".png": b"\x89PNG"}
    for suffix, begin in begins.items():
        contents = []
        for name in ("a", "b"):
            path = tmp_path / f"{name}{suffix}"
            save_figure(draw_explanation(hand_made(9), SYMBOLS, "$x_1"), path, "$x_1")
            contents.append(path.read_bytes())
        assert contents[0] == contents[1]
        assert contents[0].startswith(begin)
    text = (tmp_path / "a.svg").read_text()
    ElementTree.fromstring(text)
    assert "$x_1" in text
    with pytest.raises(ValueError, match=r"\.svg, \.pdf or \.png"):
        check_figure_path(Path("figure.gif"))
