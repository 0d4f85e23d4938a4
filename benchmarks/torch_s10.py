"""The recipe `--config strong` in PyTorch, written again from its description, beside memrnn's.

The recipe is that of the one-layer language model of 10 million parameters of Melis et al. 2018
(arXiv 1707.05589), in their convention: the loss of a segment is the sum over its time steps and
the mean over streams. memrnn's is the mean over words, so that its clipping bound and its penalty
are 35 times smaller. Network, batches, dropout, update, falling rate and average are PyTorch's
own; only words come from memrnn. What `Recipe` says is what is meant to be equal; nothing random
is, so losses are compared over seeds.

    python benchmarks/torch_s10.py [--average-from 5] [--leave-out cap] [--seeds 10]

trains both on Genesis and Exodus (`kjv-small`) with a smaller network for three passes. It prints
the mean loss of every evaluation point, of training and validation, with the standard deviation
over seeds, and whether a permutation test can tell the two apart. `--leave-out` leaves one part out
of PyTorch's recipe, to see whether the test would notice. It needs PyTorch (written for 2.13),
which the package itself does not.
"""

import argparse
import copy
import math
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

State = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Recipe:
    """The published numbers; `average_from` is an evaluation point, after which iterates count."""

    hidden: int = 1194
    size: int = 268
    streams: int = 64
    segment: int = 35
    rate: float = 0.00418
    clip: float = 10.0
    penalty: float = 1.24e-4
    input_dropout: float = 0.58
    state_dropout: float = 0.215
    output_dropout: float = 0.327
    features_dropout: float = 0.327
    reset: float = 0.01
    cap: bool = True
    correction: bool = True
    updates_per_evaluation: int = 100
    evaluation_streams: int = 32
    patience: int = 26
    average_from: int | None = None


LEFT_OUT = {
    "input": {"input_dropout": 0.0},
    "state": {"state_dropout": 0.0},
    "output": {"output_dropout": 0.0},
    "features": {"features_dropout": 0.0},
    "reset": {"reset": 0.0},
    "penalty": {"penalty": 0.0},
    "cap": {"cap": False},
    "clip": {"clip": math.inf},
    "correction": {"correction": False},
}
"""What `--leave-out` changes; the last is the bias correction of RMSProp."""


class Masks(NamedTuple):
    """Factors: 0, or one over the probability of being kept.

    Those of the state are the same for all steps of a segment, all others are drawn for each.
    """

    inputs: Tensor  # [time, streams, size]
    state: Tensor  # [streams, hidden]
    outputs: Tensor  # [time, streams, hidden]
    features: Tensor  # [time, streams, size]


class CappedNetwork(nn.Module):
    """Word vectors, an LSTM with a capped input gate, a projection, and the word vectors again."""

    def __init__(self, recipe: Recipe, words: int, generator: torch.Generator | None = None):
        super().__init__()
        hidden, size, self.cap = recipe.hidden, recipe.size, recipe.cap
        self.vectors = nn.Embedding(words, size)
        self.from_input = nn.Linear(size, 4 * hidden)
        self.from_hidden = nn.Linear(hidden, 4 * hidden, bias=False)
        self.project = nn.Linear(hidden, size, bias=False)
        self.bias = nn.Parameter(torch.zeros(words))
        nn.init.zeros_(self.from_input.bias)
        for matrix in (self.vectors.weight, self.from_input.weight, self.from_hidden.weight):
            # Cutting at two standard deviations leaves 0.8796 of one.
            std = matrix.shape[1] ** -0.5 / 0.87962566
            nn.init.trunc_normal_(matrix, std=std, a=-2 * std, b=2 * std, generator=generator)
        nn.init.orthogonal_(self.project.weight, generator=generator)

    def start(self, streams: int) -> State:
        zeros = torch.zeros(streams, self.project.in_features, dtype=self.bias.dtype)
        return zeros, zeros

    def forward(self, inputs: Tensor, state: State, masks: Masks | None) -> tuple[Tensor, State]:
        """Logits [time, streams, words] of inputs [time, streams], and the last state."""
        h, c = state
        vectors = self.vectors(inputs)
        if masks is not None:
            vectors = vectors * masks.inputs
        outputs = []
        for step in self.from_input(vectors):
            before = h if masks is None else h * masks.state
            i, f, g, o = (step + self.from_hidden(before)).chunk(4, dim=1)
            kept, added = torch.sigmoid(f + 1), torch.sigmoid(i)
            if self.cap:
                added = torch.minimum(added, 1 - kept)
            c = kept * c + added * torch.tanh(g)
            h = torch.sigmoid(o) * torch.tanh(c)
            outputs.append(h)
        hidden = torch.stack(outputs)
        if masks is not None:
            hidden = hidden * masks.outputs
        features = self.project(hidden)
        if masks is not None:
            features = features * masks.features
        return functional.linear(features, self.vectors.weight, self.bias), (h, c)


class RMSProp:
    """Adam without a first moment: g / (sqrt(v / (1 - 0.999^t)) + eps), v the mean of squares."""

    def __init__(self, recipe: Recipe, parameters: list[nn.Parameter], eps: float = 1e-8):
        self.recipe, self.parameters, self.eps, self.steps = recipe, parameters, eps, 0
        self.squares = [torch.zeros_like(one) for one in parameters]

    @torch.no_grad()
    def step(self, rate: float) -> None:
        """Clips all gradients by their common norm, and updates."""
        gradients = [parameter.grad for parameter in self.parameters]
        # `clip_grad_norm_` would add 1e-6 to the norm.
        norm = float(torch.sqrt(sum((gradient**2).sum() for gradient in gradients)))
        factor = min(1.0, self.recipe.clip / norm)
        self.steps += 1
        correction = 1 - 0.999**self.steps if self.recipe.correction else 1.0
        for parameter, squares, gradient in zip(
            self.parameters, self.squares, gradients, strict=True
        ):
            clipped = factor * gradient
            squares.mul_(0.999).addcmul_(clipped, clipped, value=0.001)
            parameter -= rate * clipped / (torch.sqrt(squares / correction) + self.eps)


def objective(network: CappedNetwork, logits: Tensor, targets: Tensor, recipe: Recipe) -> Tensor:
    """The sum over time and mean over streams, and the penalty; a target of -100 is none."""
    nats = functional.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=-100)
    squares = sum((one**2).sum() for one in network.parameters())
    return recipe.segment * nats + recipe.penalty / 2 * squares


def segments(
    text: np.ndarray, streams: int, segment: int, offset: int = 0
) -> Iterator[tuple[Tensor, Tensor]]:
    """Inputs and targets [time, streams] of one pass; each stream begins after <eos>.

    The text is read in a circle from a token on. Every token is a target once.
    """
    eos = text[-1]
    parts = [list(part) for part in np.array_split(np.roll(text, -offset), streams)]
    # `array_split` gives the first parts one token more; which ones have it plays no role.
    longest = max(map(len, parts))
    longest += -longest % segment
    inputs = np.full((longest, streams), eos)
    targets = np.full((longest, streams), -100)
    for stream, part in enumerate(parts):
        targets[: len(part), stream] = part
        inputs[1 : len(part), stream] = part[:-1]
    for begin in range(0, longest, segment):
        rows = slice(begin, begin + segment)
        yield torch.from_numpy(inputs[rows]).long(), torch.from_numpy(targets[rows]).long()


def draw_masks(recipe: Recipe, time: int, generator: torch.Generator) -> Masks:
    def mask(rate: float, *shape: int) -> Tensor:
        return (torch.rand(shape, generator=generator) >= rate) / (1 - rate)

    streams = recipe.streams
    return Masks(
        mask(recipe.input_dropout, time, streams, recipe.size),
        mask(recipe.state_dropout, streams, recipe.hidden),
        mask(recipe.output_dropout, time, streams, recipe.hidden),
        mask(recipe.features_dropout, time, streams, recipe.size),
    )


@torch.no_grad()
def evaluate(network: CappedNetwork, text: np.ndarray, recipe: Recipe) -> float:
    """Mean nats of all words of a part."""
    state, total = network.start(recipe.evaluation_streams), 0.0
    for inputs, targets in segments(text, recipe.evaluation_streams, recipe.segment):
        logits, state = network(inputs, state, None)
        flat = logits.flatten(0, 1), targets.flatten()
        total += float(functional.cross_entropy(*flat, ignore_index=-100, reduction="sum"))
    return total / len(text)


def train(
    recipe: Recipe, text: np.ndarray, validation: np.ndarray, words: int, points: int, seed: int
) -> list[tuple[float, float]]:
    """Mean nats of training and validation at every evaluation point."""
    generator = torch.Generator().manual_seed(seed)
    network = CappedNetwork(recipe, words, generator)
    optimizer = RMSProp(recipe, list(network.parameters()))
    average, averaged = copy.deepcopy(network), 0
    rate, best, waited = recipe.rate, math.inf, 0
    curve: list[tuple[float, float]] = []
    nats = counted = updates = 0
    state = network.start(recipe.streams)
    while True:
        offset = int(torch.randint(len(text), (1,), generator=generator))
        state = network.start(recipe.streams)
        for inputs, targets in segments(text, recipe.streams, recipe.segment, offset):
            kept = torch.rand(recipe.streams, 1, generator=generator) >= recipe.reset
            state = state[0].detach() * kept, state[1].detach() * kept
            masks = draw_masks(recipe, len(inputs), generator)
            logits, state = network(inputs, state, masks)
            network.zero_grad()
            objective(network, logits, targets, recipe).backward()
            optimizer.step(rate)
            with torch.no_grad():
                words_here = int((targets >= 0).sum())
                flat = logits.flatten(0, 1), targets.flatten()
                nats += float(functional.cross_entropy(*flat, ignore_index=-100)) * words_here
                counted += words_here
                if recipe.average_from is not None and len(curve) >= recipe.average_from:
                    averaged += 1
                    for mean, one in zip(average.parameters(), network.parameters(), strict=True):
                        mean += (one - mean) / averaged
            updates += 1
            if updates % recipe.updates_per_evaluation:
                continue
            value = evaluate(average if averaged else network, validation, recipe)
            curve.append((nats / counted, value))
            nats = counted = 0
            if len(curve) == points:
                return curve
            best, waited = (value, 0) if value < best else (best, waited + 1)
            if waited > recipe.patience:
                rate, waited = rate / 10, 0


def ours(recipe: Recipe, corpus: str, points: int, seeds: int) -> list[list[tuple[float, float]]]:
    """The curves of memrnn's preset, of as many restarts as there are seeds."""
    import memrnn
    from memrnn.tasks.text import Text

    preset = Text.presets["strong"]
    sizes = {
        "streams": recipe.streams,
        "embedding_size": recipe.size,
        "updates_per_epoch": recipe.updates_per_evaluation,
    }
    config = memrnn.TrainingConfig(
        **{**preset.config, "max_epochs": points, "averaging_latest": recipe.average_from}
    )
    task, model = Text(corpus, **{**preset.options, **sizes}), f"lstm_capped-{recipe.hidden}"
    with tempfile.TemporaryDirectory() as folder:
        run = memrnn.train(memrnn.Experiment(task, model, (), config), folder, seeds)
    return [
        [
            tuple(one["perplexity"].numerator / one["perplexity"].denominator for one in pair)
            for pair in ((epoch.train, epoch.validation) for epoch in restart.progress.curve)
        ]
        for restart in run.restarts
    ]


def report(mine: list[list[tuple[float, float]]], theirs: list[list[tuple[float, float]]]) -> None:
    """Means over seeds, standard deviations, and whether the curves can be told apart.

    A seed's points go up and down together, so they are judged together, by a permutation test of
    seeds: its statistic is the largest difference of means over all points, in standard errors.
    """
    curves = np.concatenate([mine, theirs])  # [seeds of both, points, training and validation]
    count = len(mine)

    def statistics(first: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Means and standard deviations of both, and the standard error of a difference."""
        groups = curves[first], np.delete(curves, first, axis=0)
        means, spreads = (
            np.array([f(group) for group in groups])
            for f in (lambda g: g.mean(axis=0), lambda g: g.std(axis=0, ddof=1))
        )
        return means, spreads, np.sqrt((spreads**2).mean(axis=0) * 2 / count)

    def largest(first: np.ndarray) -> float:
        means, _, error = statistics(first)
        return float(np.max(np.abs(means[0] - means[1]) / error))

    means, spreads, error = statistics(np.arange(count))
    print("nats: mean and standard deviation over seeds; difference, and its standard error")
    print(f"{'':>6}{'memrnn':>18}{'PyTorch':>18}{'difference':>12}{'error':>8}")
    for which, name in enumerate(("training", "validation")):
        print(name)
        for point in range(curves.shape[1]):
            one = point, which
            text = "".join(f"{m[one]:>10.4f} {s[one]:.4f} " for m, s in zip(means, spreads))
            print(f"{point + 1:>6}{text}{means[0][one] - means[1][one]:>+12.4f}{error[one]:>8.4f}")
    found, rng = largest(np.arange(count)), np.random.default_rng(0)
    drawn = [largest(rng.permutation(2 * count)[:count]) for _ in range(9999)]
    p = (1 + sum(one >= found - 1e-9 for one in drawn)) / 10000
    print(
        f"The largest difference is {found:.1f} standard errors, p = {p:.3f} by permutation of "
        f"seeds: {'within' if p > 0.05 else 'not within'} the spread of seeds."
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--corpus", default="kjv-small")
    parser.add_argument("--hidden", type=int, default=96)
    parser.add_argument("--size", type=int, default=48)
    parser.add_argument("--streams", type=int, default=32)
    parser.add_argument("--passes", type=int, default=3)
    parser.add_argument("--points", type=int, default=9, help="evaluations in all passes")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--average-from", type=int, help="an evaluation point; default: never")
    parser.add_argument("--leave-out", choices=LEFT_OUT, help="of PyTorch's recipe alone")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    from memrnn.text import read_corpus

    corpus = read_corpus(arguments.corpus)
    text, validation = np.asarray(corpus.train), np.asarray(corpus.validation)
    recipe = Recipe(hidden=arguments.hidden, size=arguments.size, streams=arguments.streams)
    updates = math.ceil(math.ceil(len(text) / recipe.streams) / recipe.segment)
    recipe = replace(
        recipe,
        updates_per_evaluation=max(1, arguments.passes * updates // arguments.points),
        average_from=arguments.average_from,
    )
    print(
        f"{arguments.corpus}, {corpus.size} words, {recipe.hidden} hidden units, vectors of "
        f"{recipe.size}, {recipe.streams} streams; an evaluation after every "
        f"{recipe.updates_per_evaluation} of {updates} updates per pass; {arguments.seeds} seeds"
        + (f"; without {arguments.leave_out} in PyTorch" if arguments.leave_out else "")
    )
    mine = ours(recipe, arguments.corpus, arguments.points, arguments.seeds)
    if arguments.leave_out:
        recipe = replace(recipe, **LEFT_OUT[arguments.leave_out])
    theirs = [
        train(recipe, text, validation, corpus.size, arguments.points, seed)
        for seed in range(arguments.seeds)
    ]
    report(mine, theirs)


if __name__ == "__main__":
    main()
