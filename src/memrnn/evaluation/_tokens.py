"""Nats of every word of a text, and what two runs, or a run and a baseline, differ in."""

import dataclasses
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from memrnn.errors import MemrnnError
from memrnn.nn.rounded import in_precision
from memrnn.runtime.precision import computed_in, scope
from memrnn.tasks import score_set
from memrnn.tasks.text import Text
from memrnn.text import (
    Corpus,
    PairedDifference,
    fit_baselines,
    paired_difference,
    sentences,
    token_groups,
)
from memrnn.training import Run


class TokenComparison(NamedTuple):
    """Two predictors on the same words.

    Attributes:
        perplexities: of the first and the second.
        difference: first minus second.
        groups: by what words are grouped, then by group: nats per word of the first and the
            second, and how many words there are.

    Examples:
        >>> from memrnn.evaluation import baseline_nats, compare_tokens
        >>> from memrnn.text import read_corpus
        >>> corpus = read_corpus("kjv-small")
        >>> nats = baseline_nats(corpus, "unigram", "test")
        >>> comparison = compare_tokens(corpus, "test", nats, nats - 0.1)
        >>> sorted(comparison.groups)
        ['frequency', 'position', 'segment']
    """

    perplexities: tuple[float, float]
    difference: PairedDifference
    groups: dict[str, dict[str, tuple[float, float, int]]]


def token_nats(
    run: Run,
    set_name: str = "test",
    *,
    restart: int | None = None,
    evaluation_streams: int | None = None,
) -> Float[np.ndarray, " tokens"]:
    """The nats of every word of a part, in the order of the text.

    Args:
        run: on a text.
        set_name: `validation` or `test`.
        restart: its number; by default the one that validation chooses.
        evaluation_streams: in which the part is read side by side; by default as in training.

    Raises:
        MemrnnError: if the run was not trained on a text, has no such restart or set, or there are
            no streams.

    Examples:
        >>> import memrnn
        >>> from memrnn.evaluation import token_nats
        >>> from memrnn.training import save_constructed
        >>> task = memrnn.make_task("text", {"corpus": "kjv-small", "embedding_size": 2})
        >>> network = task.build(memrnn.get_model("elman-2"), seed=0)
        >>> save_constructed(network, task, "elman-2", "made", by="nobody", source="random")
        >>> len(token_nats(memrnn.load_run("made"))) == len(task.text.test)
        True
    """
    task, precision = text_of(run), run.experiment.config.precision
    if evaluation_streams is not None:
        task = dataclasses.replace(task, evaluation_streams=evaluation_streams)
    with scope(computed_in(precision)):
        network = in_precision(run.restart(restart).network, precision)
        scores = score_set(task, network, task.evaluation_set(set_name))
    return scores[task.headline.name][0]


def text_of(run: Run) -> Text:
    """The task of a run on a text.

    Args:
        run: any.

    Raises:
        MemrnnError: if it is another task.

    Examples:
        >>> import memrnn
        >>> from memrnn.evaluation import text_of
        >>> from memrnn.training import save_constructed
        >>> task = memrnn.make_task("text", {"corpus": "kjv-small", "embedding_size": 2})
        >>> network = task.build(memrnn.get_model("elman-2"), seed=0)
        >>> save_constructed(network, task, "elman-2", "made", by="nobody", source="random")
        >>> text_of(memrnn.load_run("made")).corpus
        'kjv-small'
    """
    task = run.experiment.task
    if not isinstance(task, Text):
        raise MemrnnError(f"The run was trained on {task.spec}, which is no text.")
    return task


def baseline_nats(corpus: Corpus, name: str, set_name: str) -> Float[np.ndarray, " tokens"]:
    """The same of a baseline that was fitted on the corpus.

    Args:
        corpus: on whose training part the baseline is fitted.
        name: of the baseline, see `fit_baselines`.
        set_name: `validation` or `test`.

    Raises:
        MemrnnError: if there is no such baseline.

    Examples:
        >>> from memrnn.evaluation import baseline_nats
        >>> from memrnn.text import read_corpus
        >>> round(baseline_nats(read_corpus("kjv-small"), "unigram", "test").mean(), 3)
        np.float64(5.323)
    """
    baselines = fit_baselines(corpus)
    if name not in baselines:
        raise MemrnnError(
            f"There is neither a folder nor a baseline {name!r}; baselines are "
            f"{', '.join(baselines)}."
        )
    return baselines[name](corpus.part(set_name))


def compare_tokens(
    corpus: Corpus,
    set_name: str,
    first: Float[np.ndarray, " first"],
    second: Float[np.ndarray, " second"],
) -> TokenComparison:
    """What two predictors differ in, with a paired bootstrap over sentences.

    Args:
        corpus: whose part it is.
        set_name: `validation` or `test`.
        first: nats of every word of the part, by the one predictor.
        second: by the other.

    Raises:
        MemrnnError: if they are not nats of this part.

    Examples:
        >>> from memrnn.evaluation import baseline_nats, compare_tokens
        >>> from memrnn.text import read_corpus
        >>> corpus = read_corpus("kjv-small")
        >>> nats = baseline_nats(corpus, "unigram", "test")
        >>> compare_tokens(corpus, "test", nats, nats).difference.nats
        0.0
    """
    part = corpus.part(set_name)
    if not len(first) == len(second) == len(part):
        raise MemrnnError(
            f"Nats of {len(first)} and {len(second)} words cannot be compared on the "
            f"{len(part)} words of {set_name}."
        )
    groups = {
        kind: {
            name: (one / count, other / count, count)
            for (name, one, count), (_, other, _) in zip(
                tokens.sums(first), tokens.sums(second), strict=True
            )
        }
        for kind, tokens in token_groups(corpus, set_name).items()
    }
    perplexities = float(np.exp(first.mean())), float(np.exp(second.mean()))
    numbers = sentences(part, corpus.eos)
    return TokenComparison(perplexities, paired_difference(first, second, numbers), groups)
