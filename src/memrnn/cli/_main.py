"""The command line: parses, calls, says what went wrong."""

import contextlib
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

import tyro
from tyro.extras import SubcommandApp

import memrnn
from memrnn.cli._curve import curve_command
from memrnn.cli._demo import demo_command
from memrnn.cli._extract import extract_command
from memrnn.cli._flags import RANGES, refuse_old_names, refuse_options_of_others, split_flag
from memrnn.cli._golden import golden_command
from memrnn.cli._horizon import horizon_command
from memrnn.cli._lists import (
    devices_command,
    languages_command,
    models_command,
    sample_command,
    tasks_command,
)
from memrnn.cli._runs import evaluate_command, explain_command, train_command
from memrnn.cli._study import STUDY_COMMANDS, StudyFailedError, reproduce_command
from memrnn.cli._text import TEXT_COMMANDS
from memrnn.errors import MemrnnError, os_error_text
from memrnn.runtime import formats
from memrnn.runtime.cache import use_compile_cache
from memrnn.runtime.imports import import_files
from memrnn.runtime.printing import plain_output
from memrnn.tasks import Preset, Task, get_preset, task_class
from memrnn.training import EXPERIMENT_FILE, load_experiment, out_of_memory

WRONG, FAILED, STOPPED = 2, 1, 130
"""Exit statuses: wrong flag, file or value; failed on the way; stopped by the user."""

IMPORTING = (
    "Every command takes --import FILE.py ..., whose tasks, languages, memories, controllers and "
    "models it then knows, and --import MACHINE.toml ..., whose languages it then knows."
)


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
        _stop(STOPPED, "Stopped; the same command continues from what is saved.")
    except StudyFailedError as error:
        _stop(FAILED, str(error))
    except BrokenPipeError:
        # The reader (head, less) has seen enough; Python would complain when it closes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except MemrnnError as error:
        _stop(WRONG, str(error))
    except OSError as error:
        failed = isinstance(error, ConnectionError) or error.errno == errno.ENOSPC
        _stop(FAILED if failed else WRONG, os_error_text(error))
    except ModuleNotFoundError as error:
        notes = getattr(error, "__notes__", [])
        if not notes:  # not of a file that --import names
            raise
        _stop(WRONG, f"{notes[-1]} {error}.")
    except Exception as error:
        if not out_of_memory(error):
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


def _parse(arguments: list[str]) -> Callable[[], None]:
    """The command with its arguments; a usage error ends the program with one line."""
    refuse_old_names(arguments)
    imports, arguments = split_flag("--import", arguments)
    import_files(imports)
    chosen: list[Callable[[], None]] = []
    app = _app(_commands(arguments, imports), chosen)
    complaints = io.StringIO()
    try:
        with contextlib.redirect_stderr(complaints):
            app.cli(
                prog="memrnn",
                description=f"{memrnn.__doc__}\n\n{IMPORTING}",
                args=arguments,
                config=(tyro.conf.FlagCreatePairsOff,),
                registry=RANGES,
            )
    except SystemExit as exit:
        if exit.code:
            if arguments[:1] == ["train"]:
                refuse_options_of_others(_trained_task(arguments), arguments)
            _stop(WRONG, _one_line(complaints.getvalue()))
        raise
    return chosen[0]


def _commands(arguments: list[str], imports: list[str]) -> dict[str, Any]:
    """All commands; the flags of some follow from the task that a command line is about."""
    kind = _trained_task(arguments)
    return {
        "demo": demo_command,
        "tasks": tasks_command,
        "languages": languages_command,
        "models": models_command,
        "devices": devices_command,
        "sample": sample_command,
        "train": train_command(kind, _preset(kind, arguments), [*_script(), *imports]),
        "evaluate": evaluate_command(_evaluated_task(arguments)),
        "curve": curve_command,
        "explain": explain_command,
        "extract": extract_command,
        "golden": golden_command([*_script(), *imports]),
        "horizon": horizon_command,
        "text": TEXT_COMMANDS,
        "study": STUDY_COMMANDS,
        "reproduce": reproduce_command,
    }


def _trained_task(arguments: list[str]) -> type[Task]:
    """The task that `memrnn train` is about."""
    task_flag, _ = split_flag("--task", arguments)
    text_flag, _ = split_flag("--text", arguments)
    usual = "text" if text_flag else "strings"
    return task_class(task_flag[0].partition(":")[0] if task_flag else usual)


def _preset(kind: type[Task], arguments: list[str]) -> Preset:
    """What `--config` names, of the task that is trained on."""
    flag, _ = split_flag("--config", arguments)
    return get_preset(kind, flag[0] if flag else next(iter(kind.presets)))


def _evaluated_task(arguments: list[str]) -> Task | None:
    """The task of the folder that `memrnn evaluate` is about, wherever that stands among flags."""
    if arguments[:1] != ["evaluate"]:
        return None
    folders = (Path(one) for one in arguments[1:] if (Path(one) / EXPERIMENT_FILE).is_file())
    folder = next(folders, None)
    return None if folder is None else load_experiment(folder).task


def _script() -> list[str]:
    """The user's script that called `main`, which has registered what it defines."""
    module = sys.modules["__main__"]
    file = getattr(module, "__file__", None)
    started_by_name = getattr(module, "__spec__", None) is not None
    return [] if started_by_name or not str(file).endswith(".py") else [str(file)]


def _app(commands: Mapping[str, Any], chosen: list[Callable[[], None]]) -> SubcommandApp:
    """A parser that adds the chosen command with its arguments to a list, to be called later."""

    def later(command: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(command)
        def choose(*args: Any, **kwargs: Any) -> None:
            chosen.append(functools.partial(command, *args, **kwargs))

        return choose

    app = SubcommandApp()
    for name, command in commands.items():
        if isinstance(command, dict):
            text = f"A group of commands: {formats.listed(list(command))}."
            app.command(_app(command, chosen), name=name, help=text)
        else:
            app.command(name=name)(later(command))
    return app


def _one_line(text: str) -> str:
    """Tyro's boxed complaint as one line, without its frame, its title and its last hint."""
    lines = [line.strip("│ ") for line in text.splitlines()[1:]]
    words = " ".join(line for line in lines if not re.fullmatch("[─╰╯ -]*", line))
    return re.split(r"\s*For full helptext", words)[0] + "; see memrnn --help."


def _stop(status: int, message: str) -> NoReturn:
    print(f"memrnn: {' '.join(message.split())}", file=sys.stderr)
    raise SystemExit(status)
