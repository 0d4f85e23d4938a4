"""n-gram models as baselines: relative frequencies, and interpolated Kneser-Ney.

No count is kept on disk: fitting and scoring a million tokens takes seconds.
"""

from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Bool, Float64, Int, Int64

from memrnn.errors import MemrnnError
from memrnn.text._corpus import Corpus, sentences

Nats = Float64[np.ndarray, " tokens"]
Discounts = Literal["single", "modified"]

_FALLBACK = {"single": (0.5, 0.5, 0.5), "modified": (0.5, 1.0, 1.5)}


def unigram_nats(
    train: Int[np.ndarray, " train"], tokens: Int[np.ndarray, " tokens"], size: int
) -> Nats:
    """-log of the relative frequency of each token in the training tokens.

    Args:
        train: training tokens.
        tokens: those to score.
        size: of the vocabulary.

    Returns:
        Nats per token; inf for what never occurs in `train`.

    Examples:
        >>> import numpy as np
        >>> from memrnn.text import unigram_nats
        >>> unigram_nats(np.array([0, 1, 0, 2]), np.array([0, 2]), size=3).round(3)
        array([0.693, 1.386])
    """
    counts = np.bincount(train, minlength=size)
    with np.errstate(divide="ignore"):
        return -np.log(counts / len(train))[tokens]


class _Level(NamedTuple):
    """The k-grams that occur in training, sorted by key.

    A key is V * (number of the first k - 1 tokens among the (k-1)-grams) + last token.

    Attributes:
        keys: of the k-grams.
        mass: count less discount, for each k-gram.
        total: sum of counts, for each (k-1)-gram as a context.
        left: sum of discounts, for each context.
    """

    keys: Int64[np.ndarray, " grams"]
    mass: Float64[np.ndarray, " grams"]
    total: Float64[np.ndarray, " contexts"]
    left: Float64[np.ndarray, " contexts"]


class KneserNey:
    """An interpolated Kneser-Ney model of order n, fitted on training tokens.

    With h the last k - 1 tokens and h' the last k - 2 of them,

        P_k(w | h) = (c_k(h w) - D_k(c_k(h w)) + g_k(h) P_{k-1}(w | h')) / sum_v c_k(h v)
        g_k(h) = sum_v D_k(c_k(h v)),    P_0 = 1 / V

    and P_k(w | h) = P_{k-1}(w | h') where the sum of counts is 0. The model is P_n. c_n counts
    occurrences; for k < n, c_k(x) counts the different tokens that stand before x in training.

    `<eos>` is a boundary: each sentence stands after n - 1 of them, and no context reaches beyond.
    So it is predicted at the end of a sentence and known at its beginning.

    Discounts. With t_j the number of k-grams of count j and Y = t_1 / (t_1 + 2 t_2): `single`
    takes D = Y for every count above 0, `modified` takes

        D(1) = 1 - 2 Y t_2 / t_1,    D(2) = 2 - 3 Y t_3 / t_2,    D(3 or more) = 3 - 4 Y t_4 / t_3.

    Where one of them is not above 0, or too few k-grams occur for it to be defined, they are 0.5
    (`single`) or 0.5, 1, 1.5 (`modified`), as in KenLM.

    Perplexities on validation and test:

        Penn Treebank (Mikolov)     n = 3  161.4 / 150.6    n = 5  151.3 / 143.4
        the same, modified          n = 3  157.8 / 148.3    n = 5  148.0 / 141.2
        King James Bible            n = 3   45.1 / 46.8     n = 5   39.4 / 41.1
        the same, modified          n = 3   44.6 / 46.1     n = 5   38.7 / 40.3

    Examples:
        >>> from memrnn.text import KneserNey, read_corpus
        >>> corpus = read_corpus("kjv-small")
        >>> model = KneserNey(corpus.train, corpus.size, order=3)
        >>> round(float(model.nats(corpus.test).mean()), 3)  # nats per word
        3.634

    Sources: Kneser & Ney 1995; Chen & Goodman 1999, sections 2.7 and 3.
    """

    def __init__(
        self,
        train: Int[np.ndarray, " train"],
        size: int,
        order: int = 5,
        discounts: Discounts = "single",
    ) -> None:
        """Fits the model.

        Args:
            train: training tokens below `size`; they end with `<eos>`.
            size: V, of the vocabulary.
            order: n.
            discounts: one per order, or three.

        Raises:
            MemrnnError: if `order` is below 1 or there is no training token.
        """
        if order < 1:
            raise MemrnnError("The order of an n-gram model must be at least 1.")
        if not len(train):
            raise MemrnnError("There is no training token.")
        self._eos, self._size, self._order = int(train[-1]), size, order
        padded, predicted = self._pad(train)
        self._levels: list[_Level] = []
        # Number of the k-gram that ends at each token, from token k - 1 on; first of the empty one.
        grams = np.zeros(len(padded) + 1, np.int64)
        keys = counts = np.zeros(1, np.int64)
        for k in range(1, order + 1):
            shorter, contexts = grams, keys
            keys, first, grams = np.unique(
                shorter[:-1] * size + padded[k - 1 :], return_index=True, return_inverse=True
            )
            counts = np.bincount(grams[predicted[k - 1 :]], minlength=len(keys))
            if k > 1:
                # Each k-gram, counted once, is one token before the (k-1)-gram at its end.
                ends = shorter[first[counts > 0] + 1]
                before = np.bincount(ends, minlength=len(contexts))
                self._levels.append(_level(contexts, before, size, discounts))
        self._levels.append(_level(keys, counts, size, discounts))

    def nats(self, tokens: Int[np.ndarray, " tokens"]) -> Nats:
        """-log of the probability of each token, given those before it in its sentence.

        The first token begins a sentence.
        """
        padded, predicted = self._pad(tokens)
        context = np.zeros(len(padded), np.int64)  # number of the context, -1 if it never occurred
        p = np.full(len(padded), 1 / self._size)
        for level in self._levels:
            keys = context * self._size + padded
            at = np.minimum(np.searchsorted(level.keys, keys), len(level.keys) - 1)
            found = level.keys[at] == keys
            total = np.where(context >= 0, level.total[context], 0.0)
            mass = np.where(found, level.mass[at], 0.0) + level.left[context] * p
            p = np.divide(mass, total, out=p, where=total > 0)
            context = np.concatenate([[-1], np.where(found, at, -1)[:-1]])
        return -np.log(p[predicted])

    def _pad(
        self, tokens: Int[np.ndarray, " tokens"]
    ) -> tuple[Int64[np.ndarray, " padded"], Bool[np.ndarray, " padded"]]:
        """The tokens with n - 1 times `<eos>` before each sentence, and which are no padding."""
        before = (sentences(tokens, self._eos) + 1) * (self._order - 1)
        places = np.arange(len(tokens)) + before
        padded = np.full(len(tokens) + (before[-1] if len(tokens) else 0), self._eos, np.int64)
        padded[places] = tokens
        predicted = np.zeros(len(padded), bool)
        predicted[places] = True
        return padded, predicted


def _level(
    keys: Int64[np.ndarray, " grams"],
    counts: Int64[np.ndarray, " grams"],
    size: int,
    kind: Discounts,
) -> _Level:
    discounts = np.array([0.0, *_discounts(counts, kind)])[np.minimum(counts, 3)]
    contexts = keys // size
    count = int(contexts[-1]) + 1
    return _Level(
        keys,
        counts - discounts,
        np.bincount(contexts, counts, minlength=count),
        np.bincount(contexts, discounts, minlength=count),
    )


def _discounts(counts: Int64[np.ndarray, " grams"], kind: Discounts) -> tuple[float, float, float]:
    """D(1), D(2) and D(3 or more)."""
    t = [int(np.sum(counts == j)) for j in range(5)]
    if t[1] == 0 or (kind == "modified" and 0 in t[1:4]):
        return _FALLBACK[kind]
    y = t[1] / (t[1] + 2 * t[2])
    if kind == "single":
        return y, y, y
    one, two, three = (j - (j + 1) * y * t[j + 1] / t[j] for j in (1, 2, 3))
    return (one, two, three) if min(one, two, three) > 0 else _FALLBACK[kind]


Baseline = Callable[[Int[np.ndarray, " tokens"]], Nats]
"""Nats of each of some tokens."""


def fit_baselines(corpus: Corpus) -> dict[str, Baseline]:
    """The baselines of a corpus, fitted on its training part, by name, weakest first.

    They are `unigram`, `kneser-ney-3`, `kneser-ney-5` and `modified-kneser-ney-5`.

    Args:
        corpus: on whose training part they are fitted.

    Returns:
        By name, a function of tokens to nats per token.

    Examples:
        >>> from memrnn.text import fit_baselines, read_corpus
        >>> corpus = read_corpus("kjv-small")
        >>> baselines = fit_baselines(corpus)
        >>> round(float(baselines["unigram"](corpus.test).mean()), 3)  # nats per word
        5.323
    """
    train, size = corpus.train, corpus.size
    return {
        "unigram": lambda tokens: unigram_nats(train, tokens, size),
        "kneser-ney-3": KneserNey(train, size, 3).nats,
        "kneser-ney-5": KneserNey(train, size, 5).nats,
        "modified-kneser-ney-5": KneserNey(train, size, 5, "modified").nats,
    }
