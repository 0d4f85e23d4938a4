"""The command line: parses, calls, prints."""

import contextlib
import dataclasses
import errno
import functools
import io
import os
import re
import signal
import sys
from collections.abc import Callable, Generator, Mapping
from pathlib import Path
from typing import Any, NoReturn

import jax
import numpy as np
import tyro
from rich.console import Console
from tyro.extras import SubcommandApp

import memrnn
from memrnn.cli._study import STUDY_COMMANDS, StudyFailedError, reproduce_command
from memrnn.cli._task import (
    evaluate_command,
    explain_command,
    tasks_command,
    train_command,
)
from memrnn.cli._task_flags import chosen_class, existing_folder, refuse_old_flags, values_of
from memrnn.errors import MemrnnError
from memrnn.languages import get_language, language_names
from memrnn.nn.components import parameter_count
from memrnn.nn.models import GRAMMAR, get_model, model_names
from memrnn.nn.network import OneHot
from memrnn.runtime import plain_output
from memrnn.runtime.cache import use_compile_cache
from memrnn.runtime.devices import describe
from memrnn.runtime.imports import import_files
from memrnn.runtime.printing import print_json, print_rows
from memrnn.studies import load_study
from memrnn.tasks import task_class
from memrnn.training import EXPERIMENT_FILE, load_experiment

WRONG, FAILED, STOPPED = 2, 1, 130
"""Exit statuses: wrong flag, file or value; failed on the way; stopped by the user."""


IMPORTING = (
    "Every command takes --import FILE.py ..., whose tasks, languages, memories, controllers and "
    "models it then knows."
)


def demo_command(out: Path = Path("demo"), seed: int = 0, workers: int | None = None) -> None:
    """The main job in small: train with components frozen, evaluate far beyond, report.

    Args:
        out: folder of the study and of the page; a second call continues in it.
        seed: from which every restart's own seed follows.
        workers: runs that train at a time; by default one per core.
    """
    # Only here and in like places: matplotlib would add half a second to the start of every
    # command and of every worker.
    from memrnn.cli._demo import run_demo

    study = dataclasses.replace(load_study("demo"), seed=seed)
    print(run_demo(study, out, workers, Console()))


def languages_command(json: bool = False) -> None:
    """Lists the languages.

    Args:
        json: print JSON instead of a table.
    """
    rows = [
        {
            "name": name,
            "description": get_language(name).describe(),
            "symbols": list(get_language(name).symbols),
        }
        for name in language_names()
    ]
    print_rows(rows, json)
    if not json:
        print("All but count-3 take another number k of word symbols, as in marked-copy:k=5.")


def models_command(json: bool = False) -> None:
    """Lists the models, with their number of parameters for three symbols.

    Args:
        json: print JSON instead of a table.
    """
    rows = [
        {
            "name": name,
            "description": description,
            "parameters": parameter_count(get_model(name).build(OneHot(3), 4, seed=0)),
        }
        for name, description in model_names().items()
    ]
    print_rows(rows, json)
    if not json:
        print(f"Further names: {GRAMMAR}.")


def devices_command(json: bool = False) -> None:
    """Lists the devices that JAX uses, with how programs are shaped for them.

    Args:
        json: print JSON instead of a table.
    """
    if json:
        print_json(describe())
        return
    for device in describe():
        print_rows(
            [{"": name, "value": str(value)} for name, value in device.items()], as_json=False
        )


def sample_command(language: str, length: int, count: int = 10, seed: int = 0) -> None:
    """Prints strings of a language, one a line.

    Args:
        language: name of the language, see `memrnn languages`.
        length: number of symbols.
        count: number of strings.
        seed: the same seed draws the same strings.
    """
    chosen = get_language(language)
    if count < 1 or seed < 0:
        raise MemrnnError("count must be at least 1 and seed at least 0.")
    for string in chosen.sample(length, count, np.random.default_rng(seed)):
        print(chosen.decode(string))


def commands(arguments: list[str]) -> dict[str, Any]:
    """All commands; the flags of some follow from the task that a command line is about."""
    name = arguments[0] if arguments else ""
    imports = values_of("--import", arguments)
    import_files(imports)
    kind = chosen_class(arguments) if name == "train" else task_class("strings")
    folder = existing_folder(arguments) if name == "evaluate" else None
    known = folder is not None and (folder / EXPERIMENT_FILE).is_file()
    task = load_experiment(folder).task if known and folder is not None else None
    return {
        "demo": demo_command,
        "tasks": tasks_command,
        "languages": languages_command,
        "models": models_command,
        "devices": devices_command,
        "sample": sample_command,
        "train": train_command(kind, (*_script(), *imports)),
        "evaluate": evaluate_command(task),
        "explain": explain_command,
        "study": STUDY_COMMANDS,
        "reproduce": reproduce_command,
    }


def _script() -> list[str]:
    """The user's script that called `main`, which has registered what it defines."""
    module = sys.modules["__main__"]
    file = getattr(module, "__file__", None)
    started_by_name = getattr(module, "__spec__", None) is not None
    return [] if started_by_name or not str(file).endswith(".py") else [str(file)]


@plain_output()
def main(arguments: list[str] | None = None) -> None:
    """Runs a command; `memrnn --help` lists them."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments == ["--version"]:
        print(f"memrnn {memrnn.__version__}")
        return
    use_compile_cache()
    try:
        call = _parse(arguments)
        with _sigterm_interrupts():
            call()
    except KeyboardInterrupt:
        _stop(STOPPED, "Stopped; the same command continues where it was.")
    except StudyFailedError as error:
        _stop(FAILED, str(error))
    except BrokenPipeError:
        # The reader (head, less) has seen enough; Python would complain when it closes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except MemrnnError as error:
        _stop(WRONG, str(error))
    except OSError as error:
        _stop(
            FAILED if isinstance(error, ConnectionError) or error.errno == errno.ENOSPC else WRONG,
            _sentence(error),
        )
    except (MemoryError, jax.errors.JaxRuntimeError) as error:
        if isinstance(error, jax.errors.JaxRuntimeError) and "RESOURCE_EXHAUSTED" not in str(error):
            raise
        _stop(
            FAILED,
            "Out of memory. Checkpoints are whole; try fewer workers, a smaller batch or "
            "shorter strings.",
        )


@contextlib.contextmanager
def _sigterm_interrupts() -> Generator[None]:
    """SIGTERM, by which clusters end a job, then stops as cleanly as Ctrl-C does."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _sentence(error: OSError) -> str:
    """Our own sentences as they are; of the system's words also which file they are about."""
    if error.filename is not None:
        return f"{error.filename}: {error.strerror}."
    return str(error.args[-1] if error.args else error)


def _parse(arguments: list[str]) -> Callable[[], None]:
    """The command with its arguments; a usage error ends the program with one line."""
    chosen: list[Callable[[], None]] = []

    def later(command: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(command)
        def remember(*args: Any, **kwargs: Any) -> None:
            chosen.append(functools.partial(command, *args, **kwargs))

        return remember

    def app(commands: Mapping[str, Any]) -> SubcommandApp:
        group = SubcommandApp()
        for name, command in commands.items():
            if isinstance(command, dict):
                group.command(app(command), name=name)
            else:
                group.command(name=name)(later(command))
        return group

    if arguments[:1] == ["test"]:
        raise MemrnnError("The command test is now evaluate.")
    refuse_old_flags(arguments)
    complaints = io.StringIO()
    try:
        with contextlib.redirect_stderr(complaints):
            app(commands(arguments)).cli(
                prog="memrnn",
                description=f"{memrnn.__doc__}\n\n{IMPORTING}",
                args=_without_imports(arguments),
                config=(tyro.conf.FlagCreatePairsOff,),
            )
    except SystemExit as exit:
        if exit.code:
            _stop(WRONG, _one_line(complaints.getvalue()))
        raise
    return chosen[0]


def _without_imports(arguments: list[str]) -> list[str]:
    """The arguments without `--import` and its values, which every command takes."""
    kept: list[str] = []
    skipping = False
    for argument in arguments:
        skipping = argument == "--import" or (skipping and not argument.startswith("--"))
        if not skipping and not argument.startswith("--import="):
            kept.append(argument)
    return kept


def _one_line(text: str) -> str:
    """Tyro's boxed complaint as one line, without its frame, its title and its last hint."""
    lines = [line.strip("│ ") for line in text.splitlines()[1:]]
    words = " ".join(line for line in lines if not re.fullmatch("[─╰╯ -]*", line))
    return re.split(r"\s*For full helptext", words)[0] + "; see memrnn --help."


def _stop(status: int, message: str) -> NoReturn:
    print(f"memrnn: {' '.join(message.split())}", file=sys.stderr)
    raise SystemExit(status)
