"""The command `memrnn golden`: constructs a network from a machine and checks it."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import tyro
from rich.console import Console

from memrnn.automata import machine_of, read_machine
from memrnn.cli._flags import options_class
from memrnn.nn.memories import Nondeterministic
from memrnn.runtime.formats import listed, plural
from memrnn.runtime.imports import import_files, is_file_entry
from memrnn.runtime.options import to_json
from memrnn.runtime.precision import check_precision
from memrnn.runtime.printing import print_json, print_rows, say
from memrnn.stability import STOP, golden_network, save_golden, smallest_model, verify
from memrnn.tasks import Strings, make_task

EXACT_FORMATS = ("float32", "bfloat16", "float16")
"""Those in which the gates of a float32 network are exact."""
LENGTHS = {False: (10_000, 1_000), True: (200, 0)}
"""Of strings that are checked, step by step and cell by cell; True with a nondeterministic stack,
which takes time n^3."""


def golden_command(imports: Sequence[str]) -> Callable[..., None]:
    """The command, whose folder keeps a copy of what was imported."""
    options_type = options_class(Strings, Strings.option_names()[1:], {})

    def command(
        language: tyro.conf.Positional[str],
        out: Path,
        model: str | None = None,
        precision: str = "float32",
        gate: float | None = None,
        gap: float | None = None,
        stop: float = STOP,
        verify_length: Annotated[int | None, tyro.conf.arg(name="verify")] = None,
        dense: int | None = None,
        max_depth: int | None = None,
        precisions: tuple[str, ...] = (),
        seed: int = 0,
        json: bool = False,
        options: Annotated[options_type, tyro.conf.arg(name="")] = options_type(),  # type: ignore[valid-type] # noqa: B008
    ) -> None:
        """Constructs a network that does exactly what a machine does, and checks that.

        The folder is that of a run: evaluate, explain, train --start and studies take it.

        Args:
            language: name of a language with a machine, or a file MACHINE.toml.
            out: folder for the network.
            model: an LSTM with stacks; by default the smallest that holds the machine, and for
                `rns` the smallest with a nondeterministic stack.
            precision: number format of the parameters, float32 or float64.
            gate: of the controller, by default 128, and 1024 in float64.
            gap: of the stack's actions, by default the gate, and 16 for a nondeterministic stack.
            stop: probability of the symbol that ends a phase, where several are legal.
            verify_length: symbols of the string whose steps are checked, by default 10000, and 200
                with a nondeterministic stack.
            dense: symbols of the string after each of which all cells of the stacks are checked, by
                default 1000.
            max_depth: how many symbols a stack may hold along these strings.
            precisions: number formats to check in; by default float32, bfloat16 and float16, or
                float64 where the parameters are.
            seed: of these strings.
            json: print JSON instead of a table.
            options: of the task, for later commands.
        """
        for each in (precision, *precisions):
            check_precision(each)
        name, files = language, [*imports]
        if is_file_entry(language):
            name, files = read_machine(language).name, [*imports, language]
            import_files([language])
        machine = machine_of(name)
        task = make_task("strings", {"language": name, **to_json(options)})
        assert isinstance(task, Strings)
        chosen = smallest_model(machine, model) if model in (None, "rns") else model
        network = golden_network(task, chosen, precision=precision, gate=gate, gap=gap, stop=stop)
        save_golden(network, task, chosen, out, files)
        lengths = LENGTHS[isinstance(network.memory, Nondeterministic)]
        formats = precisions or ((precision,) if precision == "float64" else EXACT_FORMATS)
        rows: list[dict[str, Any]] = []
        for each in formats:
            checks = verify(
                machine,
                network,
                each,
                length=lengths[0] if verify_length is None else verify_length,
                dense=lengths[1] if dense is None else dense,
                max_depth=max_depth,
                seed=seed,
            )
            rows += [
                {"precision": each, "check": name, **check._asdict()}
                for name, check in checks.items()
            ]
        stacks = [f"{label} ({plural(len(s), 'symbol')})" for label, s in machine.stacks.items()]
        about = {
            "machine": machine.name,
            "rules": len(machine.moves),
            "stacks": listed(stacks),
            "model": chosen,
            "out": str(out),
        }
        if json:
            print_json({**about, "checks": rows})
            return
        print_rows([{"": key, "value": str(value)} for key, value in about.items()])
        print_rows([_shown(row) for row in rows])
        say(Console(stderr=True), f"next: memrnn evaluate {out}")

    return command


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    """A check in a line of at most 80 characters."""
    return {
        "precision": row["precision"],
        "check": row["check"],
        "steps": row["steps"],
        "not exact": row["inexact"],
        "illegal": row["wrong"],
        "nats": f"{row['determined_nats']:.3g}",
        "seconds": f"{row['seconds']:.1f}",
    }
