"""Findings: sentences that are computed from results, and only said if they hold."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from memrnn.errors import MemrnnError
from memrnn.evaluation import Evaluation, RunScores
from memrnn.reports import _format as form
from memrnn.reports._summary import (
    MetricSummary,
    SetSummary,
    Summary,
    frozen_words,
    metric_label,
    summarize,
)
from memrnn.reports._thresholds import LEARNED, NEAR, advantage, sides


@dataclass(frozen=True)
class Finding:
    """One thing that the results say: a headline, and the numbers behind it."""

    headline: str
    detail: str


def find(evaluations: Sequence[Evaluation]) -> list[Finding]:
    """What the results say about learning, generalising, floors, equality and divergence.

    Raises:
        MemrnnError: if there is no result.
    """
    if not evaluations:
        raise MemrnnError("There is no result to report.")
    summaries = [summarize(evaluation) for evaluation in evaluations]
    tasks = list(dict.fromkeys(summary.task for summary in summaries))
    groups = [[s for s in summaries if s.task == task] for task in tasks]
    findings: list[Finding] = []
    for group in groups:
        findings += _learned(group)
    for group in groups:
        findings += _on_the_floor(group)
    findings += _equalities(evaluations)
    findings.append(_divergence(summaries))
    return findings


def _learned(group: Sequence[Summary]) -> Iterator[Finding]:
    """Who learned a set within what it was trained on, and what is left of it beyond that."""
    within, beyond = sides(group[0].task)
    title = group[0].title
    learners = [] if within is None else [s for s in group if _holds(s.sets[within])]
    if within is None or all(s.sets[within].headline.normalised is None for s in group):
        yield from _best(group)
        return
    trained = group[0].sets[within]
    where = f"{trained.label}, within what it was trained on"
    if not learners:
        top = _top(group, within)
        yield Finding(
            f"{title}: no network learned even {trained.label}, within what it was trained on.",
            f"The best, {top.name}, scores {_best_value(top.sets[within])}; "
            f"{_bounds(trained.headline)}.",
        )
        return
    if beyond is None:
        yield Finding(
            f"{title}: {trained.label} was learned by {_names(learners)}.",
            f"Best restarts reach a normalised {_metric(trained)} of at least {LEARNED} there, "
            "within what they were trained on.",
        )
        return
    longest = group[0].sets[beyond]
    top = _top(learners, beyond)
    scores = top.sets[beyond]
    held = [s for s in learners if _holds(s.sets[beyond])]
    below = [s for s in learners if _all_below(s.sets[beyond].headline, 0.0)]
    count = f"{len(learners)} of {len(group)} experiments learned {trained.label}"
    if held:
        headline = f"{title}: {count}; {len(held)} of them still hold on {longest.label}."
    elif len(below) == len(learners):
        headline = (
            f"{title}: {count}; on {longest.label} every restart of theirs falls below the floor."
        )
    else:
        headline = f"{title}: {count}; none of them holds on {longest.label}."
    detail = (
        f"The one that keeps most, {top.name}, scores {_best_value(top.sets[within])} on {where} "
        f"({_bounds(top.sets[within].headline)}), and {_best_value(scores)} on {longest.label} "
        f"({_bounds(scores.headline)}); all its restarts there: {_range(scores.headline)}."
    )
    others = [
        f"{metric_label(one.metric)} {form.value(one.best, one.metric)}"
        for one in _alike(scores)
        if one.best is not None
    ]
    if others:
        detail += f" Its best restart there: {', '.join(others)}."
    yield Finding(headline, detail)


def _best(group: Sequence[Summary]) -> Iterator[Finding]:
    """Who is best on the last set, where nothing says what is to be learned."""
    if not group[0].sets:
        return
    beyond = sides(group[0].task)[1]
    number = len(group[0].sets) - 1 if beyond is None else beyond
    top = _top(group, number)
    scores = top.sets[number]
    if scores.headline.best is None:
        return
    bounds = _bounds(scores.headline)
    yield Finding(
        f"{top.title}: on {scores.label}, the best restart of {top.name} has the best "
        f"{_metric(scores)}, {_best_value(scores)}.",
        f"All its restarts there: {_range(scores.headline)}"
        + (f"; {bounds}." if bounds else "; the task has no reference to compare with."),
    )


def _on_the_floor(group: Sequence[Summary]) -> Iterator[Finding]:
    """Whose score on the last set, in every restart, is that of the best baseline."""
    if not group[0].sets:
        return
    beyond = sides(group[0].task)[1]
    beyond = len(group[0].sets) - 1 if beyond is None else beyond
    scores = group[0].sets[beyond]
    bounds, metric = scores.headline, scores.headline.metric
    if bounds.baseline is None:
        return
    near = [s for s in group if _on_it(s.sets[beyond].headline)]
    if not near:
        return
    ends = [
        value
        for s in near
        for value in (s.sets[beyond].headline.low, s.sets[beyond].headline.high)
        if value is not None
    ]
    written = list(dict.fromkeys(form.value(end, metric) for end in (min(ends), max(ends))))
    floor = form.value(bounds.baseline, metric)
    headline = (
        f"{group[0].title}: {_names(near)} score{'s' if len(near) == 1 else ''} "
        f"{' to '.join(written)} on {scores.label}, and the baseline {bounds.baseline_name} "
        f"scores {floor}."
    )
    unit = " nats" if metric.scale == "exp" else ""
    detail = (
        f"That is the floor, within {NEAR}{unit} in every restart. However good a score is, "
        "nothing of the task is in it unless it leaves the floor."
    )
    whole = [s for s in group if not s.freeze]
    if whole and all(_all_below(s.sets[beyond].headline, NEAR) for s in whole):
        top = max(
            (v for s in whole for v in s.sets[beyond].headline.values if v is not None),
            key=lambda value: value if metric.goal == "max" else -value,
        )
        detail += (
            f" No network with nothing frozen gets beyond {form.value(top, metric)} there, so that "
            "freezing would pass for stability if nobody drew the floor."
        )
    yield Finding(headline, detail)


def _holds(scores: SetSummary) -> bool:
    return (scores.headline.normalised or 0) >= LEARNED


def _top(group: Sequence[Summary], number: int) -> Summary:
    """The cell whose best restart is best on a set; one without a score is the worst."""

    def goodness(summary: Summary) -> float:
        one = summary.sets[number].headline
        if one.best is None:
            return -math.inf
        return one.best if one.metric.goal == "max" else -one.best

    return max(group, key=goodness)


def _ends(one: MetricSummary) -> list[float]:
    """How much better than the best baseline the worst and the best restart are."""
    if one.low is None or one.high is None or one.baseline is None:
        return []
    return sorted(advantage(value, one.baseline, one.metric) for value in (one.low, one.high))


def _all_below(one: MetricSummary, by: float) -> bool:
    ends = _ends(one)
    return bool(ends) and ends[-1] < -by


def _on_it(one: MetricSummary) -> bool:
    ends = _ends(one)
    return bool(ends) and max(map(abs, ends)) <= NEAR


def _alike(scores: SetSummary) -> list[MetricSummary]:
    """The other metrics of the headline's kind."""
    first = scores.headline.metric
    kind = first.goal, first.scale
    return [
        one
        for one in scores.metrics.values()
        if (one.metric.goal, one.metric.scale) == kind and one.metric != first
    ]


def _equalities(evaluations: Sequence[Evaluation]) -> Iterator[Finding]:
    """Models on which a freezing mode has no effect at all, as that of a memory they lack."""
    whole = {(one.task.key, one.model): one for one in evaluations if not one.freeze}
    found: dict[tuple[str, ...], dict[str, list[tuple[RunScores, RunScores]]]] = {}
    for one in evaluations:
        if not one.freeze or (one.task.key, one.model) not in whole:
            continue
        others = {run.restart: run for run in whole[one.task.key, one.model].runs}
        pairs = [(run, others[run.restart]) for run in one.runs if run.restart in others]
        found.setdefault(one.freeze, {}).setdefault(one.model, []).extend(pairs)
    for freeze, by_model in found.items():
        # By their text, since what is not a number is not equal to itself.
        equal = {
            model: len(pairs)
            for model, pairs in by_model.items()
            if pairs and all(repr(run) == repr(other) for run, other in pairs)
        }
        if equal:
            verb = "score" if len(equal) > 1 else "scores"
            yield Finding(
                f"{form.listed(list(equal))} {verb} the same with {frozen_words(freeze)} as with "
                f"{frozen_words(())}.",
                f"All scores of {form.plural(sum(equal.values()), 'pair')} of restarts agree to "
                "the last bit: there is nothing to freeze, or it has no effect.",
            )


def _divergence(summaries: Sequence[Summary]) -> Finding:
    total = sum(s.restarts for s in summaries)
    diverged = sum(s.diverged for s in summaries)
    missing = sum(scores.headline.missing for s in summaries for scores in s.sets)
    where = form.listed([f"{s.title}, {s.name} ({s.diverged})" for s in summaries if s.diverged])
    detail = (
        f"They count in every median and range all the same: {where}."
        if diverged
        else "No restart is left out of any number on this page."
    )
    if missing:
        detail += (
            f" {form.plural(missing, 'score')} of the headline metric that "
            f"{'is' if missing == 1 else 'are'} missing or not a number "
            f"{'counts' if missing == 1 else 'count'} as the worst."
        )
    return Finding(f"{diverged} of {form.plural(total, 'restart')} diverged.", detail)


def _names(summaries: Sequence[Summary]) -> str:
    """lstm and gru with controller frozen, jm-10 with nothing frozen."""
    modes = dict.fromkeys(summary.freeze for summary in summaries)
    parts = [
        f"{form.listed([s.model for s in summaries if s.freeze == mode])} with {frozen_words(mode)}"
        for mode in modes
    ]
    return ", ".join(parts)


def _metric(scores: SetSummary) -> str:
    return metric_label(scores.headline.metric)


def _best_value(scores: SetSummary) -> str:
    return form.value(scores.headline.best, scores.headline.metric)


def _bounds(one: MetricSummary) -> str:
    """Floor and ceiling, as far as there are any."""
    found: list[str] = []
    if one.baseline is not None:
        found.append(f"floor {form.value(one.baseline, one.metric)} by {one.baseline_name}")
    if one.bayes is not None:
        found.append(f"ceiling {form.value(one.bayes, one.metric)}")
    return ", ".join(found)


def _range(one: MetricSummary) -> str:
    if one.low is None:
        return form.MISSING
    return f"{form.value(one.low, one.metric)} to {form.value(one.high, one.metric)}"
