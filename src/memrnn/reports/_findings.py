"""Findings: sentences that are computed from results, and only said if they hold."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from memrnn.reports import _format as form
from memrnn.reports._equality import Equality
from memrnn.reports._summary import BinSummary, Result, Summary, summarize

LEARNED = 0.9
"""Skill from which a bin counts as learned."""

NEAR = 0.01
"""Distance in accuracy within which a score is called the floor's."""


_FLOORS = {
    "repeat-last": "repeating the last symbol",
    "unigram": "naming the most frequent symbol every time",
    "bigram": "going by the symbol before",
}


@dataclass(frozen=True)
class Finding:
    """One thing that the results say: a headline, and the numbers behind it."""

    headline: str
    detail: str


def find(
    results: Sequence[Result],
    training_lengths: tuple[int, int] | None = None,
    equalities: Sequence[Equality] = (),
) -> list[Finding]:
    """What the results say about learning, generalising, floors, equality and divergence."""
    summaries = [summarize(result) for result in results]
    languages = list(dict.fromkeys(summary.language for summary in summaries))
    groups = [[s for s in summaries if s.language == language] for language in languages]
    findings: list[Finding] = []
    for group in groups:
        findings += _learned(group, training_lengths)
    for group in groups:
        findings += _on_the_floor(group, training_lengths)
    findings += _equalities(equalities)
    findings.append(_divergence(summaries))
    return findings


def _learned(
    group: Sequence[Summary], training_lengths: tuple[int, int] | None
) -> Iterator[Finding]:
    """Who learned the training lengths, and what is left of it on the longest strings."""
    within, beyond = _sides(group[0], training_lengths)
    if within is None:
        return
    language, bounds = group[0].language, group[0].bins[within]
    learners = [s for s in group if (s.bins[within].skill or 0) >= LEARNED and s.bins[within].skill]
    where = f"lengths {bounds.label}, which it was trained on"
    if not learners:
        top = max(group, key=lambda s: s.bins[within].best)
        scores = top.bins[within]
        yield Finding(
            f"{language}: no network learned even the training lengths.",
            f"The best, {_name(top)}, scores {form.share(scores.best)} on {where}; "
            f"{_bounds(bounds)}.",
        )
        return
    if beyond is None:
        names = _names(learners)
        yield Finding(
            f"{language}: learned on the training lengths by {names}.",
            f"Best restarts reach a skill of at least {LEARNED} on lengths {bounds.label}.",
        )
        return
    longest = group[0].bins[beyond]
    top = max(learners, key=lambda s: s.bins[beyond].best)
    scores = top.bins[beyond]
    held = [s for s in learners if (s.bins[beyond].skill or 0) >= LEARNED]
    below = [s for s in learners if s.bins[beyond].highest < s.bins[beyond].floor]
    count = f"{len(learners)} of {len(group)} experiments learned the training lengths"
    if held:
        headline = f"{language}: {count}; {len(held)} of them still hold on {longest.label}."
    elif len(below) == len(learners):
        headline = (
            f"{language}: {count}; on {longest.label} every restart of theirs falls below "
            "the floor."
        )
    else:
        headline = f"{language}: {count}; none of them holds on {longest.label}."
    learned = top.bins[within]
    detail = (
        f"The one that keeps most, {_name(top)}, scores {form.share(learned.best)} on {where} "
        f"({_bounds(learned)}), and {form.share(scores.best)} on {longest.label} "
        f"({_bounds(scores)}); all its restarts there: {_range(scores)}."
    )
    if scores.determined is not None:
        detail += (
            f" Of the symbols that the prefix determines it still gets "
            f"{form.share(scores.determined)} right."
        )
    yield Finding(headline, detail)


def _on_the_floor(
    group: Sequence[Summary], training_lengths: tuple[int, int] | None
) -> Iterator[Finding]:
    """Whose score on the longest strings, in every restart, is that of a trivial predictor."""
    _, beyond = _sides(group[0], training_lengths)
    beyond = len(group[0].bins) - 1 if beyond is None else beyond
    bounds = group[0].bins[beyond]
    near = [
        s
        for s in group
        if max(
            abs(value - bounds.floor) for value in (s.bins[beyond].lowest, s.bins[beyond].highest)
        )
        <= NEAR
    ]
    if not near:
        return
    low = min(s.bins[beyond].lowest for s in near)
    high = max(s.bins[beyond].highest for s in near)
    scored = form.share(low) if low == high else f"{form.share(low)} to {form.share(high)}"
    trivially = _FLOORS.get(bounds.floor_name, bounds.floor_name)
    headline = (
        f"{group[0].language}: {_names(near)} score{'s' if len(near) == 1 else ''} {scored} on "
        f"{bounds.label}, and {trivially} scores {form.share(bounds.floor)}."
    )
    detail = (
        f"That is the floor, within {NEAR} in every restart. "
        "However high a score is, there is no grammar in it unless it leaves the floor."
    )
    whole = [s for s in group if not s.freeze]
    if whole and all(s.bins[beyond].highest < bounds.floor - NEAR for s in whole):
        top = max(s.bins[beyond].highest for s in whole)
        detail += (
            f" No network with nothing frozen gets above {form.share(top)} there, so that freezing "
            "would pass for stability if nobody drew the floor."
        )
    yield Finding(headline, detail)


def _equalities(equalities: Sequence[Equality]) -> Iterator[Finding]:
    kinds: dict[tuple[bool, str, str, str], list[Equality]] = {}
    for equality in equalities:
        whole = equality.equal == equality.restarts
        kind = (whole, equality.first, equality.second, equality.reason)
        kinds.setdefault(kind, []).append(equality)
    for (whole, first, second, reason), group in kinds.items():
        models = list(dict.fromkeys(equality.model for equality in group))
        languages = list(dict.fromkeys(equality.language for equality in group))
        verb = f"{'is' if len(models) == 1 else 'are'} {'' if whole else 'not '}bit-equal to"
        pairs, equal = sum(e.restarts for e in group), sum(e.equal for e in group)
        yield Finding(
            f"{form.listed(models)} with {second} frozen {verb} the same with {first} frozen.",
            f"Compared after training on {form.listed(languages)}: all parameters agree to the "
            f"last bit in {equal} of {pairs} pairs of restarts.{' ' * bool(reason)}{reason}",
        )


def _divergence(summaries: Sequence[Summary]) -> Finding:
    total = sum(s.restarts for s in summaries)
    diverged = sum(s.diverged for s in summaries)
    where = form.listed(
        [f"{s.language}, {_name(s)} ({s.diverged})" for s in summaries if s.diverged]
    )
    return Finding(
        f"{diverged} of {total} restarts diverged.",
        f"They count in every median and range all the same: {where}."
        if diverged
        else "No restart is left out of any number on this page.",
    )


def _sides(
    summary: Summary, training_lengths: tuple[int, int] | None
) -> tuple[int | None, int | None]:
    """The longest bin within the training lengths, and the longest beyond them."""
    if training_lengths is None:
        return None, None
    longest = training_lengths[1]
    order = sorted(range(len(summary.bins)), key=lambda n: summary.bins[n].lengths)
    within = [n for n in order if summary.bins[n].lengths[1] <= longest]
    beyond = [n for n in order if summary.bins[n].lengths[0] > longest]
    return (within[-1] if within else None), (beyond[-1] if beyond else None)


def _name(summary: Summary) -> str:
    return f"{summary.model} with {summary.frozen} frozen"


def _names(summaries: Sequence[Summary]) -> str:
    """lstm and gru with controller frozen, jm-10 with nothing frozen."""
    modes = dict.fromkeys(summary.frozen for summary in summaries)
    parts = [
        f"{form.listed([s.model for s in summaries if s.frozen == frozen])} with {frozen} frozen"
        for frozen in modes
    ]
    return ", ".join(parts)


def _bounds(scores: BinSummary) -> str:
    return (
        f"floor {form.share(scores.floor)} by {scores.floor_name}, "
        f"ceiling {form.share(scores.ceiling)}"
    )


def _range(scores: BinSummary) -> str:
    return f"{form.share(scores.lowest)} to {form.share(scores.highest)}"
