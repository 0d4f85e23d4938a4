"""What a training step of a nondeterministic stack costs, in time and memory, by string length.
from memrnn.nn.network import OneHot

The whole step of `training_step`: batch 10, float32, one core. Every length has a process of its
own, and rounds alternate between them. Seconds are the processor's, so that other work on the
machine counts less. Linux only.

    ms        milliseconds a step, median over rounds
    memory    what an epoch takes above what its process held before it, at its peak, MB
    memory_estimate what `Memory.memory_estimate` says of the batch, MB
    model     useful multiply-adds of a step, in thousands of millions, of n = length - 1 updates:

        3 batch (n^3/6 Q^2 S Q S  +  n^2/2 Q S (Q S + Q) Q S)

    for the pops (every row of every earlier column), and for what replaces and pops in the last
    column. Three times, for the gradient takes twice as much as the way forward.
    e         the local exponent: log(this / line above) / log(n here / n of the line above)

Exponents at the end are least squares in logarithms over lengths from 80.

    python benchmarks/nondeterministic_cost.py [MODEL] [--lengths 40 62 80 120 200 400]
        [--rounds 5] [--figure docs/images/nondeterministic-cost.svg]
"""

import argparse
import ctypes
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

LENGTHS = (40, 62, 80, 120, 200, 400)
FIT_FROM = 80
STEPS_AT = 120  # the length of which a round has four steps; shorter strings have more


def serve(model: str, length: int) -> None:
    """The process of one length: facts, then for each line in, the seconds of a step out."""
    import training_step  # pins this process to one core

    # isort: split
    import memrnn
    from memrnn.nn.groups import group_size

    steps = max(1, min(20, round(4 * (STEPS_AT / length) ** 2)))
    epoch = training_step.ours(model, length, steps)
    held = reset_peak()
    epoch()
    network = memrnn.get_model(model).build(memrnn.OneHot(3), 4, seed=0)
    group = group_size(network.memory, training_step.BATCH, length - 1, gradient=True)
    working, kept = network.memory.memory_estimate(length - 1)
    facts = {
        "batch": training_step.BATCH,
        "states": network.memory.states,
        "symbols": network.memory.symbols,
        "group": group,
        "memory_estimate": (group * working + training_step.BATCH * kept) / 1e6,
        "memory": (resident("VmHWM") - held) / 1e6,
    }
    print(json.dumps(facts), flush=True)
    for _ in sys.stdin:
        begin = time.process_time()
        epoch()
        print(json.dumps((time.process_time() - begin) / steps), flush=True)


def reset_peak() -> int:
    """Forgets the peak of compiling, and returns the bytes that are resident now."""
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")
    return resident("VmRSS")


def resident(which: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == which:
            return 1024 * int(value.split()[0])
    raise RuntimeError(f"This system does not say what {which} is.")


class Server:
    """A process of one length, seen from outside."""

    def __init__(self, model: str, length: int):
        command = [sys.executable, "-W", "ignore", __file__, model, "--serve", str(length)]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)
        self.facts = self._answer()

    def run(self) -> float:
        self._process.stdin.write("run\n")
        self._process.stdin.flush()
        return self._answer()

    def stop(self) -> None:
        self._process.stdin.close()
        self._process.wait()

    def _answer(self) -> Any:
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("A process ended early; its message stands above.")
        return json.loads(line)


def measure(model: str, lengths: Sequence[int], rounds: int) -> dict[int, dict[str, Any]]:
    """The facts of every length, with `ms`, `memory` and `model` as in the head of this file."""
    servers = {length: Server(model, length) for length in lengths}
    seconds = [{n: server.run() for n, server in servers.items()} for _ in range(rounds)]
    facts = {}
    for length, server in servers.items():
        server.stop()
        each = facts[length] = server.facts
        each["ms"] = 1e3 * statistics.median(row[length] for row in seconds)
        each["model"] = multiply_adds(length - 1, **each) / 1e9
    return facts


def multiply_adds(n: int, *, batch: int, states: int, symbols: int, **_: Any) -> float:
    cells = states * symbols
    pops = n**3 / 6 * states**2 * symbols * cells
    return 3 * batch * (pops + n**2 / 2 * cells * (cells + states) * cells)


def exponent(facts: dict[int, dict[str, Any]], what: str, lengths: Sequence[int]) -> float:
    """Least squares of the logarithm over the logarithm of the number of updates."""
    updates = np.log([length - 1 for length in lengths])
    values = np.log([facts[length][what] for length in lengths])
    return float(np.polyfit(updates, values, 1)[0])


COLUMNS = {"ms": 10, "memory": 9, "memory_estimate": 11, "model": 9}  # and their widths


def table(facts: dict[int, dict[str, Any]]) -> Iterator[str]:
    """The lines that are printed."""
    heads = (f"{what:>{width}}{'e':>6}" for what, width in COLUMNS.items())
    yield f"{'length':>6}{''.join(heads)}{'at a time':>11}"
    before = None
    for length, each in facts.items():
        line = f"{length:>6}"
        for what, width in COLUMNS.items():
            line += f"{each[what]:>{width}.{3 if what == 'model' else 1}f}"
            line += f"{exponent(facts, what, (before, length)):>6.2f}" if before else " " * 6
        yield f"{line}{each['group']:>11}"
        before = length
    fitted = [length for length in facts if length >= FIT_FROM]
    if len(fitted) > 1:
        found = (f"{what} {exponent(facts, what, fitted):.2f}" for what in COLUMNS)
        yield f"exponents over lengths {fitted[0]} to {fitted[-1]}: {', '.join(found)}"


def draw(model: str, facts: dict[int, dict[str, Any]]) -> str:
    """Time and memory against length, as SVG; each line goes through the last point."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import FixedLocator, LogLocator, NullLocator, ScalarFormatter

    from memrnn.runtime.figures import svg

    lengths = list(facts)
    figure = Figure(figsize=(7.4, 2.9), layout="constrained")
    panels = (
        ("ms", "model", "Milliseconds a step", "multiply-adds", "#0072B2"),
        ("memory", "memory_estimate", "Memory of a batch, MB", "memory_estimate", "#B03A8C"),
    )
    for axis, (what, expected, title, name, color) in zip(figure.subplots(1, 2), panels):
        values = [facts[length][what] for length in lengths]
        scale = values[-1] / facts[lengths[-1]][expected]
        line = [scale * facts[length][expected] for length in lengths]
        axis.plot(lengths, line, color="0.35", linewidth=1)
        axis.plot(lengths, values, color=color, marker="o", markersize=5, linestyle="none")
        # Each name stands beside its own, on the side away from the other.
        here, there = -min(3, len(lengths)), -min(2, len(lengths))
        above = values[here] >= line[here]
        names = (
            ("measured", values[here], here, above, color),
            (f"∝ {name}", line[there], there, not above, "0.2"),
        )
        for text, y, place, left, shade in names:
            axis.annotate(
                text,
                (lengths[place], y),
                xytext=(-7, 2) if left else (7, -2),
                textcoords="offset points",
                ha="right" if left else "left",
                va="bottom" if left else "top",
                color=shade,
                fontsize=8,
            )
        axis.set(xscale="log", yscale="log")
        axis.set_xlabel("String length", fontsize=9)
        axis.set_title(title, fontsize=9, fontweight="bold", loc="left")
        axis.xaxis.set_major_locator(FixedLocator(lengths))
        axis.xaxis.set_major_formatter(ScalarFormatter())
        axis.xaxis.set_minor_locator(NullLocator())
        axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.yaxis.set_major_formatter("{x:g}")
        axis.yaxis.set_minor_locator(NullLocator())
        axis.tick_params(labelsize=8)
        axis.spines[["top", "right"]].set_visible(False)
    return svg(figure, f"What a training step of {model} costs by string length")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", nargs="?", default="rns-3-3")
    parser.add_argument("--lengths", type=int, nargs="+", default=LENGTHS)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--figure", type=Path, metavar="FILE")
    parser.add_argument("--serve", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve is not None:
        return serve(arguments.model, arguments.serve)
    facts = measure(arguments.model, sorted(arguments.lengths), arguments.rounds)
    print(f"{arguments.model}, float32, one core, medians of rounds")
    print("\n".join(table(facts)))
    if arguments.figure is not None:
        arguments.figure.write_text(draw(arguments.model, facts))
    return None


if __name__ == "__main__":
    main()
