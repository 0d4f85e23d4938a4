"""Findings: sentences that are computed from results, and only said if they hold."""

import dataclasses
import itertools
import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from memrnn.errors import MemrnnError
from memrnn.evaluation import Evaluation, RunScores
from memrnn.reports._summary import (
    MetricSummary,
    SetSummary,
    Summary,
    format_value,
    frozen_words,
    in_order,
    metric_label,
    same_kind,
    summarize,
)
from memrnn.reports._thresholds import LEARNED, NEAR, NEAR_WITHOUT_BAYES, advantage, gain
from memrnn.runtime.formats import listed, per_cent, plural
from memrnn.tasks import Relation, TaskDescription


@dataclass(frozen=True)
class Finding:
    """What the results say: a headline, and the numbers behind it."""

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
    by_task: dict[TaskDescription, list[Summary]] = {}
    for summary in summaries:
        by_task.setdefault(summary.task, []).append(summary)
    findings = [
        *map(_learned, by_task.values()),
        *map(_on_the_floor, by_task.values()),
        *_equalities(evaluations),
        _divergence(summaries),
    ]
    return [finding for finding in findings if finding is not None]


def warnings_of(evaluations: Sequence[Evaluation]) -> list[str]:
    """A sentence per metric that warns, with the sum of its numerators over all restarts."""
    counts: defaultdict[tuple[str, str], float] = defaultdict(float)
    for evaluation in evaluations:
        for metric in evaluation.task.metrics:
            if metric.warning:
                counts[metric.name, metric.warning] += math.fsum(
                    scores.whole[metric.name].numerator
                    for run in evaluation.runs
                    for scores in run.sets.values()
                    if metric.name in scores.whole
                )
    return [
        f"{metric_label(name)}: {count:.0f}. {warning}"
        for (name, warning), count in counts.items()
        if count
    ]


def _learned(group: Sequence[Summary]) -> Finding | None:
    """Who learned a set within what it was trained on, and what is left of it beyond that."""
    task = group[0].task
    within, beyond = _last_set(task, "within"), _last_set(task, "beyond")
    if within is None or all(s.sets[within].headline.normalised is None for s in group):
        return _best(group)
    trained = group[0].sets[within]
    learners = [s for s in group if _holds(s.sets[within])]
    if not learners:
        top = _top(group, within)
        return Finding(
            f"{task.title}: no network learned even {trained.label}, within what it was trained "
            "on.",
            f"The best, {top.name}, scores {_best_value(top.sets[within])}; {_bounds(trained)}.",
        )
    if beyond is None:
        return Finding(
            f"{task.title}: {trained.label} was learned by {_names(learners)}.",
            f"Best restarts reach a normalised {metric_label(task.headline)} of at least {LEARNED} "
            "there, within what they were trained on.",
        )
    longest = group[0].sets[beyond].label
    holding = [s for s in learners if _holds(s.sets[beyond])]
    if holding:
        outcome = f"{len(holding)} of them keep{'s' if len(holding) == 1 else ''} it on {longest}"
    elif all(_all_below(s.sets[beyond].headline) for s in learners):
        outcome = f"on {longest} every restart of theirs falls below the floor"
    else:
        outcome = f"none of them keeps it on {longest}"
    top = _top(learners, beyond)
    before, after = top.sets[within], top.sets[beyond]
    detail = (
        f"The one that keeps most, {top.name}, scores {_best_value(before)} on {trained.label}, "
        f"within what it was trained on ({_bounds(before)}), and {_best_value(after)} on "
        f"{longest} ({_bounds(after)}); all its restarts there: "
        f"{after.headline.range_text(' to ')}."
    )
    others = [
        f"{metric_label(score.metric)} {score.text(score.best)}"
        for score in after.metrics.values()
        if same_kind(score.metric, after.headline.metric)
        and score.metric != after.headline.metric
        and score.best is not None
    ]
    if others:
        detail += f" Its best restart there: {', '.join(others)}."
    return Finding(
        f"{task.title}: {len(learners)} of {len(group)} experiments learned {trained.label} by "
        f"{metric_label(task.headline)}; {outcome}.",
        detail,
    )


def _best(group: Sequence[Summary]) -> Finding | None:
    """Who is best on the last set, where nothing says what is to be learned."""
    task = group[0].task
    if not task.sets:
        return None
    last = _last_or_beyond(task)
    top = _top(group, last)
    scores = top.sets[last]
    if scores.headline.best is None:
        return None
    bounds = _bounds(scores) or "the task has no reference to compare with"
    return Finding(
        f"{task.title}: on {scores.label}, the best restart of {top.name} has the best "
        f"{metric_label(task.headline)}, {_best_value(scores)}.",
        f"All its restarts there: {scores.headline.range_text(' to ')}; {bounds}.",
    )


def _on_the_floor(group: Sequence[Summary]) -> Finding | None:
    """Whose score on the last set, in every restart, is that of the best baseline."""
    task = group[0].task
    if not task.sets:
        return None
    last = _last_or_beyond(task)
    floor, metric = group[0].sets[last].headline, task.metric(task.headline)
    if floor.baseline is None:
        return None
    near = [s for s in group if _is_near_floor(s.sets[last].headline)]
    if not near:
        return None
    ends = [
        end
        for s in near
        for end in (s.sets[last].headline.low, s.sets[last].headline.high)
        if end is not None
    ]
    written = dict.fromkeys(format_value(end, metric) for end in (min(ends), max(ends)))
    headline = (
        f"{task.title}: {_names(near)} score{'s' if len(near) == 1 else ''} "
        f"{' to '.join(written)} on {group[0].sets[last].label}, and the baseline "
        f"{floor.baseline_name} scores {floor.text(floor.baseline)}."
    )
    unit = " nats" if metric.scale == "exp" else ""
    within = (
        f"{NEAR_WITHOUT_BAYES}{unit}"
        if floor.bayes is None
        else f"{per_cent(NEAR)} of the way to the Bayes-optimal predictor"
    )
    detail = (
        f"That is the floor, within {within} in every restart. However good a score is, "
        "nothing of the task is in it unless it leaves the floor."
    )
    whole = [s.sets[last].headline for s in group if not s.freeze]
    if whole and all(_clearly_below(score) for score in whole):
        best = max if metric.goal == "max" else min
        top = best(value for score in whole for value in score.values if value is not None)
        detail += (
            f" No network with nothing frozen gets beyond {floor.text(top)} there, so that "
            "freezing would pass for stability if nobody drew the floor."
        )
    return Finding(headline, detail)


def _equalities(evaluations: Sequence[Evaluation]) -> Iterator[Finding]:
    """Models on which a freezing mode has no effect at all, as that of a memory they lack."""
    whole = {(e.task.key, e.model): e.runs for e in evaluations if not e.freeze}
    same: dict[tuple[str, ...], dict[str, list[bool]]] = {}
    for evaluation in evaluations:
        name = evaluation.task.key, evaluation.model
        if evaluation.freeze and name in whole:
            others = {run.restart: run for run in whole[name]}
            by_model = same.setdefault(evaluation.freeze, defaultdict(list))
            by_model[evaluation.model] += [
                _equal(run, others[run.restart]) for run in evaluation.runs if run.restart in others
            ]
    for freeze, by_model in same.items():
        equal = {model: len(pairs) for model, pairs in by_model.items() if pairs and all(pairs)}
        if equal:
            verb = "score" if len(equal) > 1 else "scores"
            yield Finding(
                f"{listed(list(equal))} {verb} the same with {frozen_words(freeze)} as with "
                f"{frozen_words(())}.",
                f"All scores of {plural(sum(equal.values()), 'pair')} of restarts agree to "
                "the last bit: there is nothing to freeze, or it has no effect.",
            )


def _equal(run: RunScores, other: RunScores) -> bool:
    """Whether all numbers of two restarts agree, by their text: NaN is not equal to itself."""
    if list(run.sets) != list(other.sets):
        return False
    bare = (dataclasses.replace(one, sets={}) for one in (run, other))
    groups = (
        pair
        for name in run.sets
        for pair in itertools.zip_longest(
            run.sets[name].groups.items(), other.sets[name].groups.items()
        )
    )
    # Group by group, since most pairs differ in the first one.
    return all(repr(one) == repr(two) for one, two in itertools.chain([bare], groups))


def _divergence(summaries: Sequence[Summary]) -> Finding:
    total = sum(s.restarts for s in summaries)
    diverged = sum(s.diverged for s in summaries)
    missing = sum(scores.headline.missing for s in summaries for scores in s.sets)
    detail = "No restart is left out of any number on this page."
    if diverged:
        where = [f"{s.task.title}, {s.name} ({s.diverged})" for s in summaries if s.diverged]
        detail = f"They count in every median and range all the same: {listed(where)}."
    if missing:
        detail += (
            f" {plural(missing, 'score')} of the headline metric that "
            f"{'is' if missing == 1 else 'are'} missing or not a number "
            f"{'counts' if missing == 1 else 'count'} as the worst."
        )
    return Finding(f"{diverged} of {plural(total, 'restart')} diverged.", detail)


def _last_set(task: TaskDescription, relation: Relation) -> int | None:
    """Number of the last set that is within or beyond what was trained on."""
    names = [described.name for described in task.sets]
    relations = dict(task.sets)
    numbers = [names.index(name) for name in in_order(names) if relations[name] == relation]
    return numbers[-1] if numbers else None


def _last_or_beyond(task: TaskDescription) -> int:
    """Number of the last set beyond what was trained on, or else of the last one."""
    beyond = _last_set(task, "beyond")
    return len(task.sets) - 1 if beyond is None else beyond


def _top(group: Sequence[Summary], number: int) -> Summary:
    """The cell whose best restart is best on a set; one without a score is the worst."""

    def goodness(summary: Summary) -> float:
        score = summary.sets[number].headline
        if score.best is None:
            return -math.inf
        return score.best if score.metric.goal == "max" else -score.best

    return max(group, key=goodness)


def _holds(scores: SetSummary) -> bool:
    return (scores.headline.normalised or 0) >= LEARNED


def _gains(score: MetricSummary) -> list[float]:
    """`gain` of the ends of the range over restarts; empty if it says nothing."""
    if score.low is None or score.high is None or score.baseline is None:
        return []
    ends = score.low, score.high
    gains = [gain(end, score.baseline, score.bayes, score.metric) for end in ends]
    return [one for one in gains if one is not None]


def _all_below(score: MetricSummary) -> bool:
    """Whether every restart is worse than the best baseline, if only by a little."""
    if score.low is None or score.high is None or score.baseline is None:
        return False
    ends = score.low, score.high
    return all(advantage(end, score.baseline, score.metric) < 0 for end in ends)


def _clearly_below(score: MetricSummary) -> bool:
    """Whether every restart is worse than the best baseline by more than what counts as near."""
    return max(_gains(score), default=math.inf) < -NEAR


def _is_near_floor(score: MetricSummary) -> bool:
    return max(map(abs, _gains(score)), default=math.inf) <= NEAR


def _names(summaries: Sequence[Summary]) -> str:
    """lstm and gru with controller frozen, jm-10 with nothing frozen."""
    modes: dict[tuple[str, ...], list[str]] = {}
    for summary in summaries:
        modes.setdefault(summary.freeze, []).append(summary.model)
    return ", ".join(
        f"{listed(models)} with {frozen_words(freeze)}" for freeze, models in modes.items()
    )


def _best_value(scores: SetSummary) -> str:
    return scores.headline.text(scores.headline.best)


def _bounds(scores: SetSummary) -> str:
    """Floor and Bayes-optimal value, as far as there are any."""
    score = scores.headline
    bounds: list[str] = []
    if score.baseline is not None:
        bounds.append(f"floor {score.text(score.baseline)} by {score.baseline_name}")
    if score.bayes is not None:
        bounds.append(f"Bayes {score.text(score.bayes)}")
    return ", ".join(bounds)
