"""Interpolated Kneser-Ney by its formulas: dicts, tuples and loops."""

import math
from collections import Counter, defaultdict


def lines(tokens: list[int], eos: int) -> list[list[int]]:
    found: list[list[int]] = [[]]
    for token in tokens:
        found[-1].append(token)
        if token == eos:
            found.append([])
    return [line for line in found if line]


class ReferenceKneserNey:
    def __init__(self, train: list[int], size: int, order: int, discounts: str) -> None:
        self.eos, self.size, self.order = train[-1], size, order
        self.counts: list[Counter[tuple[int, ...]]] = [Counter() for _ in range(order + 1)]
        occurrences: list[Counter[tuple[int, ...]]] = [Counter() for _ in range(order + 1)]
        for line in lines(train, self.eos):
            padded = [self.eos] * (order - 1) + line
            for end in range(order, len(padded) + 1):
                for k in range(1, order + 1):
                    occurrences[k][tuple(padded[end - k : end])] += 1
        self.counts[order] = occurrences[order]
        for k in range(1, order):
            before = defaultdict(set)
            for gram in occurrences[k + 1]:
                before[gram[1:]].add(gram[0])
            self.counts[k] = Counter({gram: len(tokens) for gram, tokens in before.items()})
        self.discounts = [[0.0] * 4] + [
            self.find_discounts(Counter(self.counts[k].values()), discounts)
            for k in range(1, order + 1)
        ]
        self.followers: dict[tuple[int, ...], list[int]] = defaultdict(list)
        for k in range(1, order + 1):
            for gram, count in self.counts[k].items():
                self.followers[gram[:-1]].append(count)

    @staticmethod
    def find_discounts(t: Counter[int], kind: str) -> list[float]:
        if kind == "single":
            if t[1] == 0:
                return [0, 0.5, 0.5, 0.5]
            return [0] + [t[1] / (t[1] + 2 * t[2])] * 3
        try:
            y = t[1] / (t[1] + 2 * t[2])
            d = [1 - 2 * y * t[2] / t[1], 2 - 3 * y * t[3] / t[2], 3 - 4 * y * t[4] / t[3]]
        except ZeroDivisionError:
            d = [0, 0, 0]
        return [0, *d] if all(one > 0 for one in d) else [0, 0.5, 1, 1.5]

    def probability(self, context: tuple[int, ...], token: int) -> float:
        lower = self.probability(context[1:], token) if context else 1 / self.size
        followers = self.followers[context]
        if not followers:
            return lower
        discounts = self.discounts[len(context) + 1]
        count = self.counts[len(context) + 1][(*context, token)]
        left = sum(discounts[min(one, 3)] for one in followers)
        return (count - discounts[min(count, 3)] + left * lower) / sum(followers)

    def nats(self, tokens: list[int]) -> list[float]:
        result = []
        for line in lines(tokens, self.eos):
            padded = [self.eos] * (self.order - 1) + line
            for end in range(self.order - 1, len(padded)):
                context = tuple(padded[end - self.order + 1 : end])
                result.append(-math.log(self.probability(context, padded[end])))
        return result
