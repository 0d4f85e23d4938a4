"""What a training step of a nondeterministic stack costs, in time and memory, by string length.

The whole step of `training_step`: batch 10, float32, one core. Every length has two processes of
its own. The first compiles and fills a cache; the second takes its programs from there, so that
its peak of resident memory is that of training and not of compiling. The rounds of the second ones
alternate, because the speed of a shared machine drifts; times are medians over rounds.

    ms        milliseconds a step
    memory    peak of resident memory less that of the same process at length 2, MB
    footprint what `Memory.footprint` says for the strings that run at a time, MB
    model     useful multiply-adds of a step, in thousands of millions, from n = length - 1 updates:

        3 batch (n^3/6 Q^2 S Q S  +  n^2/2 Q S (Q S + Q) Q S)

    for the pops (every pair of an earlier column and a row of it), and for replacing and popping
    the last column; the gradient takes as much as the way forward, twice.
    e         the local exponent: log(this / line above) / log(n this / n line above)

Exponents at the end are least squares in logarithms over lengths from 80.

    python benchmarks/nondeterministic_cost.py [MODEL] [--lengths 40 62 80 120 200 400]
        [--rounds 5] [--figure docs/images/nondeterministic-cost.svg]
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

LENGTHS = (40, 62, 80, 120, 200, 400)
EMPTY = 2  # the length whose process has everything in memory but the stack
FIT_FROM = 80
STEPS_AT = 120  # steps a round are as many as take as long as 4 at this length


def serve(model: str, length: int) -> None:
    """The process of one length: a line in, the seconds of a step out; at the end, its memory."""
    import training_step  # pins this process to one core

    # isort: split
    import memrnn
    from memrnn.network import group_size

    steps = max(1, min(20, round(4 * (STEPS_AT / length) ** 2)))
    run = training_step.ours(model, length, steps)
    network = memrnn.get_model(model).build(symbols=3, seed=0)
    group = group_size(network, training_step.BATCH, length, gradient=True)
    print(json.dumps(None), flush=True)
    for _ in sys.stdin:
        print(json.dumps(run()), flush=True)
    facts = {
        "batch": training_step.BATCH,
        "states": network.memory.states,
        "symbols": network.memory.symbols,
        "group": group,
        "footprint": group * network.memory.footprint(length - 1),
        "peak": 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
    }
    print(json.dumps(facts), flush=True)


class Server:
    """A process of one length, seen from outside."""

    def __init__(self, model: str, length: int, cache: str):
        always = {
            "JAX_COMPILATION_CACHE_DIR": cache,
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
            "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
        }
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", __file__, model, "--serve", str(length)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | always,
        )
        self._answer()

    def run(self) -> float:
        self._process.stdin.write("run\n")
        self._process.stdin.flush()
        return self._answer()

    def stop(self) -> dict[str, Any]:
        self._process.stdin.close()
        facts = self._answer()
        self._process.wait()
        return facts

    def _answer(self) -> Any:
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("A process ended early; its message stands above.")
        return json.loads(line)


def measure(model: str, lengths: Sequence[int], rounds: int) -> dict[int, dict[str, Any]]:
    """Every length's facts, with `ms`, `memory` and `model` as in the head of this file."""
    with tempfile.TemporaryDirectory() as cache:
        for length in (EMPTY, *lengths):
            Server(model, length, cache).stop()
        servers = {length: Server(model, length, cache) for length in (EMPTY, *lengths)}
        for server in servers.values():
            server.run()
        seconds = [{n: server.run() for n, server in servers.items()} for _ in range(rounds)]
        facts = {length: server.stop() for length, server in servers.items()}
    empty = facts.pop(EMPTY)["peak"]
    for length, each in facts.items():
        each["ms"] = 1e3 * statistics.median(row[length] for row in seconds)
        each["memory"] = (each["peak"] - empty) / 1e6
        each["footprint"] /= 1e6
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


COLUMNS = {"ms": 10, "memory": 9, "model": 9}  # and their widths


def table(facts: dict[int, dict[str, Any]]) -> Iterator[str]:
    """The lines that are printed."""
    heads = (f"{what:>{width}}{'e':>6}" for what, width in COLUMNS.items())
    yield f"{'length':>6}{''.join(heads)}{'footprint':>11}{'at a time':>11}"
    before = None
    for length, each in facts.items():
        line = f"{length:>6}"
        for what, width in COLUMNS.items():
            line += f"{each[what]:>{width}.{3 if what == 'model' else 1}f}"
            line += f"{exponent(facts, what, (before, length)):>6.2f}" if before else " " * 6
        yield f"{line}{each['footprint']:>11.1f}{each['group']:>11}"
        before = length
    fitted = [length for length in facts if length >= FIT_FROM]
    if len(fitted) > 1:
        found = (f"{what} {exponent(facts, what, fitted):.2f}" for what in COLUMNS)
        yield f"exponents over lengths {fitted[0]} to {fitted[-1]}: {', '.join(found)}"


def draw(model: str, facts: dict[int, dict[str, Any]]) -> str:
    """Time and memory against length, as SVG."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import FixedLocator, NullLocator, ScalarFormatter

    from memrnn.reports._figures import svg

    lengths = list(facts)
    figure = Figure(figsize=(7.4, 2.9), layout="constrained")
    panels = (
        ("ms", "Milliseconds a step", "multiply-adds", "#0072B2"),
        ("memory", "Memory of a step, MB", "own estimate", "#B03A8C"),
    )
    for axis, (what, title, name, color) in zip(figure.subplots(1, 2), panels):
        values = [facts[length][what] for length in lengths]
        expected = [facts[length]["model" if what == "ms" else "footprint"] for length in lengths]
        scale = values[-1] / expected[-1]
        axis.plot(lengths, [scale * each for each in expected], color="0.35", linewidth=1)
        axis.plot(lengths, values, color=color, marker="o", markersize=4.5, linestyle="none")
        axis.set(xscale="log", yscale="log", xlabel="String length")
        axis.set_title(f"{title}, {model}", fontsize=9, fontweight="bold", loc="left")
        axis.xaxis.set_major_locator(FixedLocator(lengths))
        axis.xaxis.set_major_formatter(ScalarFormatter())
        axis.xaxis.set_minor_locator(NullLocator())
        axis.yaxis.set_major_formatter(ScalarFormatter())
        axis.tick_params(labelsize=8)
        axis.spines[["top", "right"]].set_visible(False)
    return svg(figure, f"Cost of a training step by string length, {model}")


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
