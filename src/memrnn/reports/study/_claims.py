"""The paper's claims, one by one, each with a number of this study and a verdict.

The rules, which the page states too:

- Only networks with a memory count. For one without, freezing the memory is the same experiment
  as freezing nothing.
- Retention is accuracy on the last set over accuracy on the first, of one restart: the last set
  beyond what was trained on, and the first that is not. A statistic over cells is the mean over
  cells of the mean over restarts; intervals are 95 % percentile intervals of the crossed bootstrap
  over cells and restart numbers (`_resampling.crossed`). Restarts of one number share a seed in
  the freezing modes of one task and model only, so that these intervals are conservative.
- Pairs differ in the freezing mode alone and have the same restart number, hence the same seed.
- A claim is supported or not by where its interval lies (`_verdicts.at_least`, `gain`). It is
  undecided if the interval decides neither, and if too little was run or too much failed.
- A cell whose accuracy is within `NEAR` of the best baseline is the floor's equal: a baseline does
  the same. It is no support, and if most of the cells that speak for a claim are no
  better than the floor, the claim is not supported.
"""

from memrnn.reports.study import _paper_claims as paper
from memrnn.reports.study._evidence import BOTH, CONTROLLER, MEMORY
from memrnn.reports.study._paired_claims import beats, converges, stabilises
from memrnn.reports.study._published import is_the_papers
from memrnn.reports.study._retention_claims import keeps, loses
from memrnn.reports.study._scores import View
from memrnn.reports.study._verdicts import UNDECIDED, Claim, Measured


def judge(view: View) -> list[Claim]:
    """All claims of the paper about formal languages, and the one about Penn Treebank.

    None for a study of other tasks or models.
    """
    if not is_the_papers(view.results):
        return []
    return [
        _treebank(),
        keeps(view, "b", MEMORY, "Nets with frozen memory keep"),
        loses(view),
        stabilises(view),
        beats(view),
        converges(view),
        keeps(view, "g", CONTROLLER, "Nets with a frozen controller keep"),
        keeps(view, "h", BOTH, "Nets with frozen controller and memory keep"),
    ]


def _treebank() -> Claim:
    found = paper.treebank()
    small = "smaller" if found.gain < found.spread else "not smaller"
    notes = [
        f"In the paper’s own table {found.twice_model}, which has no memory to freeze, stands "
        f"twice: {found.twice[0]} with nothing frozen and {found.twice[1]} with memory frozen. "
        f"That is one experiment drawn twice, {found.spread:.1f} apart; the claimed gain of "
        f"{found.gain:.1f} is {small} than that."
    ]
    if min(found.twice) < found.frozen:
        notes.append(
            f"{found.twice_model} at {min(found.twice)} is better than the {found.frozen} that is "
            "called best."
        )
    return Claim(
        "a",
        "On Penn Treebank, freezing the memory improves the best test perplexity from "
        f"{found.whole} ({found.whole_model}) to {found.frozen} ({found.frozen_model}).",
        "abstract; table of Penn Treebank",
        "This study trains on formal languages only, so it cannot decide it.",
        (Measured("gain in perplexity", None, found.gain, "best of 10 each", "perplexity"),),
        UNDECIDED,
        "Penn Treebank is not in this study, so nothing was measured here.",
        tuple(notes),
    )
