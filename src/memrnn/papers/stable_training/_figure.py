"""The ablation as one figure: which restarts are right on every string, against length."""

from matplotlib.figure import Figure

from memrnn.papers.stable_training._ablation import LANGUAGES, Ablation

STYLES = {
    "recipe": ("#0072B2", "o", "-", 2.6),
    "recipe without noise": ("#56B4E9", "s", "-", 1.6),
    "discrete state, noise": ("#009E73", "^", "--", 1.6),
    "hard stack, noise": ("#E69F00", "v", "--", 1.6),
    "untouched": ("#555555", "x", ":", 2.0),
}
"""Colour (distinct for the colour-blind), marker, dash and width of the cells that are drawn."""


def draw_ablation(ablation: Ablation) -> Figure:
    """Share of restarts that are right on every string of a set; a panel for each language.

    Cells that have no restart are not drawn.
    """
    figure = Figure(figsize=(8.4, 2.9), layout="constrained")
    panels = figure.subplots(1, len(LANGUAGES), sharey=True)
    for axis, language in zip(panels, LANGUAGES, strict=True):
        for place, (name, (color, marker, dash, width)) in enumerate(STYLES.items()):
            counts = [ablation.exact(language, name, [one]) for one in ablation.design.sets]
            if counts[0][1] == 0:
                continue
            # Lines that coincide stand apart by a hundredth.
            shares = [some / all + 0.012 * (2 - place) for some, all in counts]
            axis.plot(
                range(len(shares)), shares, color=color, marker=marker, linestyle=dash,
                linewidth=width, markersize=5, label=name, clip_on=False,
            )  # fmt: skip
        axis.set_title(language, fontsize=9)
        times = [f"{one} ×" for one in ablation.design.sets.values()]
        axis.set_xticks(range(len(times)), times, fontsize=8)
        axis.set_ylim(-0.04, 1.04)
        axis.set_yticks([0, 0.5, 1], ["0", "½", "1"])
        axis.grid(axis="y", alpha=0.3)
        axis.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel("restarts right on\nevery string", fontsize=9)
    figure.supxlabel("length, as a multiple of the longest trained strings", fontsize=9)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=5, fontsize=8, frameon=False)
    return figure
