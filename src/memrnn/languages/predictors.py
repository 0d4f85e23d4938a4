"""Baselines: trivial predictors of the next symbol, and how well predictions match strings.

A baseline is a table of probabilities with a row per preceding symbol (S symbols, then the start)
and a column per next symbol (S symbols, then EOS). It is fitted exactly, without sampling, on the
expected counts that `Distribution.transition_counts` gives. The Bayes-optimal predictor is
`Distribution.next_symbol_probabilities`.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Float64

from memrnn.languages._language import Group, NextSymbol

Table = Float64[np.ndarray, "outputs outputs"]
Probabilities = Float64[np.ndarray, "count positions outputs"]
PerPosition = Float64[np.ndarray, "count positions"]

Predictor = Callable[[Group], NextSymbol]
"""Distributions of the next symbol at every position of strings."""

_TIE = 1e-9
"""Relative distance below which two probabilities tie."""


def repeat_last(counts: Table) -> Table:
    """Predicts that the last symbol comes again.

    It has the probability rho with which a symbol repeats under the distribution,

        rho = E[number of pairs a a] / E[number of pairs a b or a EOS],

    and all other outputs share 1 - rho equally. The first symbol is distributed as under it.

    Args:
        counts: of adjacent pairs, as `Distribution.transition_counts` gives them.

    Returns:
        Probabilities of the next symbol: a row per symbol before it, the last for the start; a
        column per output, the last for EOS.

    Examples:
        >>> import memrnn
        >>> from memrnn.languages.predictors import repeat_last
        >>> counts = memrnn.Distribution(memrnn.get_language("count-3"), 6, 9).transition_counts()
        >>> repeat_last(counts)[0].round(3)  # after an a
        array([0.6  , 0.133, 0.133, 0.133])
    """
    start = counts.shape[0] - 1
    after_symbols = counts[:start].sum()
    # A distribution of nothing but the empty string says nothing about repeating.
    rho = counts.trace() - counts[start, start]
    rho = rho / after_symbols if after_symbols else 1 / (start + 1)
    table = np.full_like(counts, (1 - rho) / start)
    np.fill_diagonal(table, rho)
    table[start] = counts[start]
    return table


def unigram(counts: Table) -> Table:
    """Predicts every symbol, EOS among them, by its expected frequency under the distribution.

    Args:
        counts: as for `repeat_last`.

    Returns:
        Probabilities as `repeat_last` gives them; all rows are equal.

    Examples:
        >>> import memrnn
        >>> from memrnn.languages.predictors import unigram
        >>> counts = memrnn.Distribution(memrnn.get_language("count-3"), 6, 9).transition_counts()
        >>> unigram(counts)[0].round(3)
        array([0.294, 0.294, 0.294, 0.118])
    """
    frequencies = counts.sum(axis=0)
    return np.tile(frequencies / frequencies.sum(), (len(counts), 1))


def bigram(counts: Table) -> Table:
    """Predicts by the symbol before: E[number of pairs a b] / E[number of pairs a anything].

    Uniform after a symbol that the distribution never shows.

    Args:
        counts: as for `repeat_last`.

    Returns:
        Probabilities as `repeat_last` gives them.

    Examples:
        >>> import memrnn
        >>> from memrnn.languages.predictors import bigram
        >>> counts = memrnn.Distribution(memrnn.get_language("count-3"), 6, 9).transition_counts()
        >>> bigram(counts)[0].round(3)  # after an a
        array([0.6, 0.4, 0. , 0. ])
    """
    total = counts.sum(axis=1, keepdims=True)
    uniform = np.full_like(counts, 1 / len(counts))
    return np.divide(counts, total, out=uniform, where=total > 0)


BASELINES: dict[str, Callable[[Table], Table]] = {
    "repeat-last": repeat_last,
    "unigram": unigram,
    "bigram": bigram,
}
"""The baselines by name; a new one is one function and one entry here."""


def table_predictor(table: Table) -> Predictor:
    """The predictor that reads a row of the table at every position.

    Args:
        table: of a baseline, as `repeat_last` gives it.

    Returns:
        A function of strings of one length, [count, length], to probabilities
        [count, length + 1, outputs].

    Examples:
        >>> import numpy as np
        >>> from memrnn.languages.predictors import table_predictor
        >>> predict = table_predictor(np.eye(3))
        >>> predict(np.array([[0, 1]]))[0]  # first the row of the start, then those of 0 and 1
        array([[0., 0., 1.],
               [1., 0., 0.],
               [0., 1., 0.]])
    """
    start = len(table) - 1
    return lambda strings: table[np.pad(strings, ((0, 0), (1, 0)), constant_values=start)]


def hits(probabilities: Probabilities, strings: Group) -> PerPosition:
    """Probability that the arg max is the target, ties at the maximum broken at random.

    Probabilities within 1e-9, relatively, of the maximum tie: m tied outputs get 1/m each.

    Args:
        probabilities: of every output after 0 ... n symbols.
        strings: of n symbols; the last target is EOS.

    Examples:
        >>> import numpy as np
        >>> from memrnn.languages.predictors import hits
        >>> hits(np.array([[[0.5, 0.5, 0.0], [0.1, 0.2, 0.7]]]), np.array([[0]]))  # a tie, then EOS
        array([[0.5, 1. ]])
    """
    tied = _tied(probabilities)
    return _at_targets(tied, strings) / tied.sum(axis=-1)


def illegal(
    probabilities: Probabilities, legal: Bool[np.ndarray, "count positions outputs"]
) -> tuple[PerPosition, PerPosition]:
    """The probability of all illegal outputs together, and that the arg max is one, as `hits`.

    Args:
        probabilities: of every output after 0 ... n symbols.
        legal: which outputs continue each prefix to that of a string.

    Examples:
        >>> import numpy as np
        >>> from memrnn.languages.predictors import illegal
        >>> mass, argmax = illegal(np.array([[[0.6, 0.4]]]), np.array([[[False, True]]]))
        >>> mass, argmax
        (array([[0.6]]), array([[1.]]))
    """
    tied = _tied(probabilities)
    return (probabilities * ~legal).sum(axis=-1), (tied & ~legal).sum(axis=-1) / tied.sum(axis=-1)


def surprisals(probabilities: Probabilities, strings: Group) -> PerPosition:
    """-log of the target's probability in nats; inf where it is zero.

    Args:
        probabilities: of every output after 0 ... n symbols.
        strings: of n symbols; the last target is EOS.

    Examples:
        >>> import numpy as np
        >>> from memrnn.languages.predictors import surprisals
        >>> surprisals(np.array([[[0.5, 0.25, 0.25], [0.0, 0.5, 0.5]]]), np.array([[0]])).round(3)
        array([[0.693, 0.693]])
    """
    with np.errstate(divide="ignore"):
        return -np.log(_at_targets(probabilities, strings))


def _tied(probabilities: Probabilities) -> np.ndarray:
    return probabilities >= probabilities.max(axis=-1, keepdims=True) * (1 - _TIE)


def _at_targets(values: np.ndarray, strings: Group) -> np.ndarray:
    targets = np.pad(strings, ((0, 0), (0, 1)), constant_values=values.shape[-1] - 1)
    return np.take_along_axis(values, targets[..., None], axis=-1)[..., 0]
