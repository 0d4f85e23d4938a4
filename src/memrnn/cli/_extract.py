"""The command `memrnn extract`: the machine that a discrete network is, and what is proved."""

import math
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tyro
from jaxtyping import Int32
from rich.console import Console

from memrnn.automata import (
    Machine,
    check_machine,
    machines_of,
    read_machine,
    walk,
    write_machine,
)
from memrnn.errors import MemrnnError
from memrnn.languages import Distribution, Language
from memrnn.runtime.formats import plural
from memrnn.runtime.options import parse_duration
from memrnn.runtime.precision import check_precision
from memrnn.runtime.printing import print_json, print_rows, say
from memrnn.stability import Equality, Table, Visits, compare, extracted, pumping, visit
from memrnn.tasks import Strings
from memrnn.training import load_run

PER_LENGTH = 20
"""Strings of each length of the training range."""
REPETITIONS = 200
"""Symbols per block, of strings such as those of count-3, up to which codes may repeat."""
LONGER = {10: 20, 100: 4}
"""How many strings are this many times as long as the longest training string."""


def extract_command(
    directory: tyro.conf.Positional[Path],
    restart: int | None = None,
    machine: Path | None = None,
    out: Path | None = None,
    longest: int = 1_000_000,
    precision: str | None = None,
    seed: int = 0,
    prove_for: str = "5m",
    json: bool = False,
) -> None:
    """Turns a discrete network into a finite machine with stacks, and proves what it predicts.

    The exit status is 1 unless it is proved that the network predicts every determined symbol of
    every string that is as long as the shortest of its training or longer.

    Args:
        directory: folder that `memrnn train --out` filled.
        restart: number of the restart; by default the best one.
        machine: file MACHINE.toml to compare with; by default those that come with the language.
        out: file for the extracted machine, .toml; it is drawn beside it, as .svg.
        longest: symbols of the longest string, 0 for none.
        precision: number format of the steps; by default that of the training.
        seed: of the strings.
        prove_for: how long a proof is searched for, as 90s or 1.5h.
        json: print JSON instead of tables.
    """
    if out is not None and out.suffix != ".toml":
        raise MemrnnError(f"{out} is no file for a machine; its suffix must be .toml.")
    seconds = parse_duration(prove_for)
    run = load_run(directory)
    trained, task = run.restart(restart), run.experiment.task
    if not isinstance(task, Strings):
        raise MemrnnError(
            f"A machine is extracted from a network of the task strings, not {task.name}."
        )
    given = machines_of(task.language) if machine is None else (read_machine(machine),)
    for each in given:
        check_machine(each)
    precision = check_precision(precision or trained.network.dtype.name)
    table, spec = Table(trained.network, precision), given[0]
    sets = _strings(task.distribution, spec, longest, seed)
    visits = {name: visit(table, spec, strings) for name, strings in sets.items()}
    rows = [_numbers(name, one, visits["1x"].codes) for name, one in visits.items()]
    title = f"{run.experiment.label}, restart {trained.number}"
    if not json:  # before the proof, which can take minutes
        print(title)
        print_rows([_shown(row) for row in rows])
        sys.stdout.flush()
    made = extracted(table, spec, [s for name in ("1x", "10x") for s in sets[name]], "extracted")
    if out is not None:
        _write(made, out, title)
    shortest = task.distribution.lengths[0]
    grown = _grown(task.distribution.language)
    repeats = pumping(table, grown) if grown else None
    equality, compared, taken = _compare(table, given, shortest, seconds)
    about = {
        "restart": trained.number,
        "precision": precision,
        "extracted": {"states": len(made.states), "rules": len(made.rules)},
        "out": None if out is None else str(out),
    }
    proof = {
        "machine": compared.name,
        "answer": equality.answer,
        "out_of_time": equality.answer == "open" and taken > seconds,
        "prefix": " ".join(spec.symbols[symbol] for symbol in equality.prefix),
        "shortest": shortest,
        "configurations": equality.states,
        "codes": equality.codes,
        "pumping": None if repeats is None else repeats._asdict(),
        "least_legal": _finite(equality.least_legal),
        "most_illegal": _finite(equality.most_illegal),
        "seconds": taken,
    }
    if json:
        print_json({**about, "strings": rows, "proof": proof})
    else:
        print_rows([{"": key, "value": value} for key, value in _proof_rows(proof, equality)])
        size = f"{plural(len(made.states), 'state')}, {plural(len(made.rules), 'rule')}"
        place = "" if out is None else f", {out}"
        say(Console(stderr=True), f"extracted machine: {size}{place}")
    if equality.answer != "proved":
        sys.exit(1)


def _strings(
    distribution: Distribution, machine: Machine, longest: int, seed: int
) -> dict[str, list[Int32[np.ndarray, " _"]]]:
    """Strings by how long they are."""
    rng, trained = np.random.default_rng([seed, 0]), distribution.longest
    groups = distribution.sample_each_length(PER_LENGTH, rng)
    sets = {"1x": [string for group in groups for string in group]}

    def drawn(length: int, count: int) -> Iterator[Int32[np.ndarray, " _"]]:
        for number in range(count):
            found = walk(
                machine, length, np.random.default_rng([seed, length, number]), exact=False
            )
            if found is None:
                raise MemrnnError(
                    f"Random walks of {machine.name} found no string of about {length} symbols."
                )
            yield found

    sets |= {f"{times}x": list(drawn(times * trained, n)) for times, n in LONGER.items()}
    return sets | ({"longest": list(drawn(longest, 1))} if longest else {})


def _grown(language: Language) -> list[Int32[np.ndarray, " _"]]:
    """The only strings of 1 to `REPETITIONS` symbols per block; none of a language with others."""
    rng, strings = np.random.default_rng(0), list[Int32[np.ndarray, " _"]]()
    blocks = next((n for n in range(1, 9) if language.valid(n)), None)
    while blocks is not None and len(strings) < REPETITIONS:
        number = len(strings) + 1
        if not language.valid(blocks * number):
            return []
        one, other = language.sample(blocks * number, 2, rng)
        ends = np.flatnonzero(np.diff(one, prepend=-1, append=-1))
        if not np.array_equal(one, other) or not np.all(np.diff(ends) == number):
            return []
        strings.append(one)
    return strings


def _compare(
    table: Table, machines: tuple[Machine, ...], shortest: int, seconds: float
) -> tuple[Equality, Machine, float]:
    """With the first machine of which the product says something, else with the last."""
    begin = time.perf_counter()
    first, *others = machines
    equality, machine = compare(table, first, shortest, seconds=seconds), first
    for other in others:
        left = seconds - (time.perf_counter() - begin)
        if equality.answer == "open" and left > 0:
            equality, machine = compare(table, other, shortest, seconds=left), other
    return equality, machine, time.perf_counter() - begin


def _write(made: Machine, out: Path, title: str) -> None:
    # Here, since both import matplotlib.
    from memrnn.explain import draw_machine
    from memrnn.runtime.figures import save_figure

    write_machine(made, out)
    save_figure(draw_machine(made, title), out.with_suffix(".svg"), title)


def _finite(value: float) -> float | None:
    return None if math.isnan(value) else value


def _numbers(name: str, visits: Visits, first: frozenset[int]) -> dict[str, Any]:
    return {
        "lengths": name,
        "strings": visits.strings,
        "symbols": visits.symbols,
        "wrong": visits.wrong,
        "determined": visits.determined,
        "codes": len(visits.codes),
        "new": len(visits.codes - first),
        "seconds": visits.seconds,
    }


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "seconds": f"{row['seconds']:.1f}"}


def _proof_rows(proof: dict[str, Any], equality: Equality) -> Iterator[tuple[str, str]]:
    """What is proved, in lines of at most 80 characters."""
    words = {
        "proved": f"proved for strings of {proof['shortest']} symbols or more",
        "refuted": "refuted",
        "open": "not proved, and no string is known that refutes it",
    }
    yield "machine", proof["machine"]
    yield "question", "is every determined symbol predicted, at every length?"
    yield "answer", words[equality.answer]
    if proof["out_of_time"]:
        yield "", "the time is over; more is given by --prove-for"
    if equality.answer == "refuted":
        prefix = proof["prefix"] or "nothing"
        yield "wrong after", prefix if len(prefix) <= 60 else f"{prefix[:57]}..."
    if proof["pumping"]:
        period, first, last = (proof["pumping"][key] for key in ("period", "first", "last"))
        most = last + period
        yield "pumping", f"codes repeat with period {period}, {first} to {most} symbols per block"
    yield "configurations", f"{proof['configurations']}, with {plural(proof['codes'], 'code')}"
    if equality.answer == "proved":
        low, high = equality.least_legal, equality.most_illegal
        yield "legal symbols", f"have at least {low:.2g}, others at most {high:.2g}"
    yield "seconds", f"{proof['seconds']:.1f}"
