"""Regions of the studies of discrete training, for `rebuild.py`.

answers OTHER   of the ablation: what it and the study without noise answer
holding OTHER   restarts that hold, by language and cell
learning OTHER  restarts that learn the trained lengths and that hold, by cell, over all languages
excess OTHER    nats per string of the recipe and the untouched network above Bayes, by language
held OTHER      a sentence on the recipe and the untouched network
ablation OTHER  the figure
settings OTHER  of the first networks of it and others: how they are trained, restarts that hold
search          of a study of other networks: restarts that hold, by network and language
apart OTHER     of two networks, of it and another study, if any: restarts that hold, and whether
                the two differ
kept OTHER      of the first networks of it and another study: restarts that learn, and hold
pairs OTHER     of it and another study: restarts with one seed, how many hold in one only
paired          of its two networks: the same
learned OTHER   of it and others, if any: restarts that learn the trained lengths, and hold
"""

import functools
import re
from collections import Counter
from collections.abc import Callable, Sequence

from scipy.stats import fisher_exact

from folders import DOCS, markdown, results_of
from memrnn import get_model
from memrnn.papers import stable_training
from memrnn.runtime import formats as form
from memrnn.runtime.checkpoints import write_bytes
from memrnn.runtime.figures import svg
from memrnn.studies import Cell, load_study


@functools.cache
def ablation_of(name: str, quiet: str) -> stable_training.Ablation:
    return stable_training.Ablation(results_of(name), results_of(quiet))


def answers(name: str, quiet: str) -> str:
    found = stable_training.answers(results_of(name), results_of(quiet))
    return markdown(["", "question", "answer", "numbers"], found)


def holding(name: str, quiet: str) -> str:
    ablation = ablation_of(name, quiet)

    rows = [
        [
            treatment,
            *(
                _share(*ablation.held(language, treatment))
                for language in stable_training.LANGUAGES
            ),
        ]
        for treatment in stable_training.TREATMENTS
    ]
    return markdown(["treatment", *stable_training.LANGUAGES], rows)


def learning(name: str, quiet: str) -> str:
    ablation, rows = ablation_of(name, quiet), list[list[str]]()
    for treatment in stable_training.TREATMENTS:
        known = held = ended = 0
        for language in stable_training.LANGUAGES:
            known += ablation.learned(language, treatment)[0]
            held += ablation.held(language, treatment)[0]
            ended += ablation.held(language, treatment)[1]
        rows.append([treatment, *map(str, (ended, known, held))])
    return markdown(["treatment", "restarts", "learn the trained lengths", "hold"], rows)


def excess(name: str, quiet: str) -> str:
    ablation, rows = ablation_of(name, quiet), list[list[str]]()
    for treatment in ("recipe", "untouched"):
        values = (ablation.excess(language, treatment) for language in stable_training.LANGUAGES)
        rows.append([treatment, *map(form.decimal, values)])
    return markdown(["treatment", *stable_training.LANGUAGES], rows)


def settings(name: str, *others: str) -> str:
    rows: list[list[str]] = []
    for one in (name, *others):
        cells, config = cells_of(one), load_study(one).config
        first = next(model for _, model in cells)
        model = get_model(first)
        held = [written(cells[language, first]) for language in stable_training.LANGUAGES]
        low, high = config.learning_rate_range
        rows.append(
            [
                f"`{one}`",
                ", ".join(count.removesuffix(" of 10") for count in held),
                f"`{model.controller}-{model.hidden_size}`",
                str(len(model.options["sizes"])),
                f"{config.gate_noise:g}",
                f"{config.discrete_from:g}" if config.discrete_from else "start",
                f"{low:g}–{high:g}",
                f"{config.beta2:g}",
            ]
        )
    heads = ["study", "hold", "controller", "stacks", "noise", "discrete from", "rates", "`beta2`"]
    return markdown(heads, rows)


def search(name: str) -> str:
    cells = cells_of(name)
    models = dict.fromkeys(model for _, model in cells)
    names = dict.fromkeys(language for language, _ in cells)
    # In one order on every page; a control comes last.
    languages = [one for one in stable_training.LANGUAGES if one in names]
    languages += [one for one in names if one not in languages]
    rows = [
        [network(model), *(written(cells[language, model]) for language in languages)]
        for model in models
    ]
    return markdown(["network", *languages], rows)


def written(cell: Cell) -> str:
    """How many of its restarts hold."""
    restarts = held_restarts(cell)
    return _share(sum(restarts.values()), len(restarts))


def _share(held: int, ended: int) -> str:
    return f"{held} of {ended}" if ended else "not run"


def network(model: str) -> str:
    """A network's name as code, four equal stacks or more as `jm-3x4`."""

    def short(sizes: re.Match[str]) -> str:
        each = sizes[0].split(".")
        return f"{each[0]}x{len(each)}"

    name = re.sub(r"(?<=-)(\d+)(?:\.\1){3,}(?![\d.])", short, model)
    return f"`{name}`"


def held_restarts(cell: Cell) -> dict[int, bool]:
    """Which restarts of those that ended are right on every string of the last two sets."""
    return stable_training.restarts_that_hold(cell, [one.name for one in cell.task.sets][-2:])


def apart(name: str, *others: str) -> str:
    """Of the two networks over the tested languages: restarts, and those that hold."""
    networks = dict.fromkeys((one, model) for one in (name, *others) for _, model in cells_of(one))
    skipped = 0 if others else 1  # the study's name, where there is one
    rows = [([f"`{one}`", network(model)], _counts(one, model)) for one, model in networks]
    return _two_shares(
        ["study", "network", "restarts", "hold"][skipped:],
        [(names[skipped:], ended, held) for names, (ended, _, held) in rows],
    )


def kept(name: str, other: str) -> str:
    """Of the first networks over the tested languages: restarts that learn, and that hold."""
    firsts = [(one, next(model for _, model in cells_of(one))) for one in (name, other)]
    rows = [([f"`{one}`", network(model)], _counts(one, model)) for one, model in firsts]
    return _two_shares(
        ["study", "network", "learn the trained lengths", "hold"],
        [(names, learned, held) for names, (_, learned, held) in rows],
    )


def _two_shares(heads: Sequence[str], rows: Sequence[tuple[Sequence[str], int, int]]) -> str:
    """A table of two rows, names and how many of how many, and whether the shares differ."""
    p = float(fisher_exact([[some, of - some] for _, of, some in rows]).pvalue)
    table = markdown(heads, [[*names, str(of), str(some)] for names, of, some in rows])
    return f"{table}\nFisher's exact test: p = {p:.2g}.\n"


def _counts(name: str, model: str) -> tuple[int, int, int]:
    """Restarts of a network on the tested languages: all, that have learned, that hold too."""
    cells = [cells_of(name)[language, model] for language in stable_training.LANGUAGES]
    total = sum(map(_learned, cells), Counter())
    return total["restarts"], total["learned"], total["both"]


def _learned(cell: Cell) -> Counter[str]:
    """Restarts that ended, that are right on every trained length, that hold, and that do both."""
    holds = held_restarts(cell)
    knows = stable_training.restarts_that_hold(cell, [cell.task.sets[0].name])
    return Counter(
        restarts=len(holds),
        learned=sum(knows.values()),
        hold=sum(holds.values()),
        both=sum(one and knows[restart] for restart, one in holds.items()),
    )


def pairs(name: str, other: str) -> str:
    first, second = cells_of(name), cells_of(other)
    rows: list[list[str]] = []
    for model in dict.fromkeys(model for _, model in first):
        cells = [key for key in first if key[1] == model and key in second]
        found = stable_training.paired(
            (held_restarts(first[key]), held_restarts(second[key])) for key in cells
        )
        if found.pairs:
            rows.append([network(model), *map(str, found), f"{found.p:.2g}"])
    only = (f"hold in `{one}` only" for one in (name, other))
    return markdown(["network", "pairs", *only, "p"], rows)


def paired(name: str) -> str:
    cells = cells_of(name)
    one, other = dict.fromkeys(model for _, model in cells)
    found = stable_training.paired(
        (held_restarts(cells[language, one]), held_restarts(cells[language, other]))
        for language in stable_training.LANGUAGES
    )
    only = (f"hold with {network(each)} only" for each in (one, other))
    return markdown(["pairs", *only, "p"], [[*map(str, found), f"{found.p:.2g}"]])


def learned(name: str, *others: str) -> str:
    """Both, and those that do both, by language over all networks."""
    counts: dict[str, Counter[str]] = {}
    for cell in (cell for one in (name, *others) for cell in cells_of(one).values()):
        counts.setdefault(cell.task.title, Counter()).update(_learned(cell))
    kinds = ("restarts", "learned", "hold", "both")
    heads = ["language", "restarts", "learn the trained lengths", "hold", "both"]
    rows = [[one, *(str(count[kind]) for kind in kinds)] for one, count in counts.items()]
    return markdown(heads, rows)


def cells_of(name: str) -> dict[tuple[str, str], Cell]:
    """By language and network."""
    return {(cell.task.title, cell.model): cell for cell in results_of(name).cells}


def held(name: str, quiet: str) -> str:
    ablation = ablation_of(name, quiet)

    def counted(treatment: str) -> str:
        rows = [
            (language, *ablation.held(language, treatment))
            for language in stable_training.LANGUAGES
        ]
        return ", ".join(
            f"{language} {right} of {ended}" for language, right, ended in rows if ended
        )

    return (
        "Networks whose state and stacks are discrete, trained on lengths 5 to 30, are right on "
        "every tested string, up to length 3,000, in these restarts: "
        f"{counted('recipe')}; the same networks untouched: {counted('untouched')}.\n"
    )


def drawn_ablation(name: str, quiet: str) -> str:
    path = DOCS / "images" / f"{name}.svg"
    title = "Restarts that are right on every string, against length"
    figure = stable_training.draw_ablation(ablation_of(name, quiet))
    write_bytes(path, svg(figure, title).encode())
    return f"![{title}](images/{path.name})\n"


KINDS: dict[str, Callable[..., str]] = {
    "answers": answers,
    "holding": holding,
    "learning": learning,
    "excess": excess,
    "held": held,
    "ablation": drawn_ablation,
    "settings": settings,
    "search": search,
    "apart": apart,
    "kept": kept,
    "pairs": pairs,
    "paired": paired,
    "learned": learned,
}
