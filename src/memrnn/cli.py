"""The command line: parses, calls, prints."""

import contextlib
import errno
import functools
import io
import json
import os
import re
import signal
import sys
from collections.abc import Callable, Generator, Mapping
from pathlib import Path
from typing import Annotated, Any, NoReturn

import jax
import numpy as np
import tyro
from rich.console import Console
from rich.table import Table
from rich.text import Text
from tyro.extras import SubcommandApp

import memrnn
from memrnn.cache import use_compile_cache
from memrnn.demo import run_demo
from memrnn.display import TrainingDisplay
from memrnn.errors import MemrnnError
from memrnn.evaluation import BINS, parse_bin, test
from memrnn.experiment import Experiment, Recipe
from memrnn.explain import (
    check_figure_path,
    draw_explanation,
    explain,
    explanation_table,
    save_explanation,
)
from memrnn.languages import Language, get_language, language_names
from memrnn.models import GRAMMAR, get_model, model_names
from memrnn.parts import parameter_count
from memrnn.precision import check_precision
from memrnn.reports import result_table
from memrnn.runtime import cores, plain_output, say
from memrnn.study_commands import STUDY_COMMANDS, StudyFailedError, reproduce_command
from memrnn.training import Run, Trained, load_run, train

WRONG, FAILED, STOPPED = 2, 1, 130
"""Exit statuses: wrong flag, file or value; failed on the way; stopped by the user."""


def demo_command(out: Path = Path("demo"), seed: int = 0, workers: int | None = None) -> None:
    """The main job in small: train with parts frozen, test far beyond, write a report.

    Args:
        out: folder for checkpoints, figures and the page; a second call continues in it.
        seed: from which every restart's own seed follows.
        workers: experiments that train at a time; by default one a core.
    """
    run_demo(out, seed=seed, workers=workers, console=Console())


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
    _print_rows(rows, json)
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
            "parameters": parameter_count(get_model(name).build(symbols=3, seed=0)),
        }
        for name, description in model_names().items()
    ]
    _print_rows(rows, json)
    if not json:
        print(f"Further names: {GRAMMAR}.")


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


def train_command(
    language: str,
    model: str,
    out: Path,
    freeze: tuple[str, ...] = (),
    restarts: int = 10,
    only: tuple[int, ...] = (),
    seed: int = 0,
    workers: int | None = None,
    recipe: Annotated[Recipe, tyro.conf.arg(name="")] = Recipe(),  # noqa: B008
) -> None:
    """Trains restarts of a network, side by side; called again, it continues.

    Args:
        language: name of the language, see `memrnn languages`.
        model: name of the model, see `memrnn models`.
        out: folder for the checkpoints.
        freeze: parts that keep their random start: embedding, controller, memory, output.
        restarts: training runs, each with a seed of its own, numbered from 0.
        only: numbers of the restarts to train now, instead of all; others stay as they are.
        seed: from which every restart's own seed follows.
        workers: restarts that train at a time; by default one a core.
        recipe: everything about training that is not the network.
    """
    experiment = Experiment(language, model, freeze, recipe, seed)
    workers = cores() if workers is None else workers
    console = Console(stderr=True)
    with TrainingDisplay(experiment, len(set(only)) or restarts, workers, console) as display:
        run = train(experiment, out, only or restarts, workers=workers, listener=display)
    best = run.restarts[run.best]
    _say_doubtful(sum(restart.progress.doubtful for restart in run.restarts), "validation", console)
    diverged = sum(restart.progress.status == "diverged" for restart in run.restarts)
    say(
        console,
        f"best of {len(run.restarts)}: restart {best.number}, validation perplexity "
        f"{best.progress.schedule.best:.4f}, exact lower bound {best.progress.bound:.4f}"
        + (f"; {diverged} diverged" if diverged else "")
        + f"\nnext: memrnn test {out}",
    )


def test_command(
    directory: tyro.conf.Positional[Path],
    bins: tuple[str, ...] = tuple(f"{low}:{high}" for low, high in BINS),
    precision: str | None = None,
    strings_per_length: int = 10,
    json: bool = False,
) -> None:
    """Tests what `memrnn train` trained, beside exact floors and ceiling.

    Args:
        directory: folder that `memrnn train --out` filled.
        bins: ranges of test lengths, both ends inclusive.
        precision: float64, float32, bfloat16 or float16; by default that of the training.
        strings_per_length: test strings of each valid length.
        json: print JSON instead of a table.
    """
    chosen = [parse_bin(text) for text in bins]
    if precision is not None:
        check_precision(precision)
    result = test(
        load_run(directory), chosen, precision=precision, strings_per_length=strings_per_length
    )
    doubtful = sum(scores["doubtful_strings"] for one in result["runs"] for scores in one["bins"])
    _say_doubtful(doubtful, "test", Console(stderr=True))
    if json:
        _print_json(result)
    else:
        Console().print(result_table(result))


def explain_command(
    directory: tyro.conf.Positional[Path],
    string: str,
    restart: int | None = None,
    out: Path | None = None,
    json: bool = False,
) -> None:
    """Shows what a trained net predicts along a string, and what its memory does there.

    Args:
        directory: folder that `memrnn train --out` filled.
        string: symbols of the language, with or without spaces between them; spaces are needed
            where a symbol has several characters.
        restart: number of the restart; by default the best one.
        out: file for a figure, .svg, .pdf or .png.
        json: print JSON instead of a table.
    """
    if out is not None:
        check_figure_path(out)
    run = load_run(directory)
    language = get_language(run.experiment.language)
    tokens, trained = _encode(language, string), _choose(run, restart)
    explanation = explain(trained.network, tokens)
    title = f"{run.experiment.label}, restart {trained.number}"
    if out is not None:
        figure = draw_explanation(explanation, language.symbols, title)
        save_explanation(figure, out, title)
    if json:
        _print_json({"restart": trained.number, **explanation.to_json(language.symbols)})
        return
    outside = f"This is no string of {language.name}."
    notes = [] if language.contains(tokens) else [outside]
    Console().print(explanation_table(explanation, language.symbols, title, notes))


COMMANDS: dict[str, Callable[..., None] | dict[str, Callable[..., None]]] = {
    "demo": demo_command,
    "languages": languages_command,
    "models": models_command,
    "sample": sample_command,
    "train": train_command,
    "test": test_command,
    "explain": explain_command,
    "study": STUDY_COMMANDS,
    "reproduce": reproduce_command,
}


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

    complaints = io.StringIO()
    try:
        with contextlib.redirect_stderr(complaints):
            app(COMMANDS).cli(
                prog="memrnn",
                description=memrnn.__doc__,
                args=arguments,
                config=(tyro.conf.FlagCreatePairsOff,),
            )
    except SystemExit as exit:
        if exit.code:
            _stop(WRONG, _one_line(complaints.getvalue()))
        raise
    return chosen[0]


def _one_line(text: str) -> str:
    """Tyro's boxed complaint as one line, without its frame, its title and its last hint."""
    lines = [line.strip("│ ") for line in text.splitlines()[1:]]
    words = " ".join(line for line in lines if not re.fullmatch("[─╰╯ -]*", line))
    return re.split(r"\s*For full helptext", words)[0] + "; see memrnn --help."


def _stop(status: int, message: str) -> NoReturn:
    print(f"memrnn: {' '.join(message.split())}", file=sys.stderr)
    raise SystemExit(status)


def _encode(language: Language, text: str) -> np.ndarray:
    """Symbol ids of a text that may have spaces even where the language does without."""
    one_each = all(len(symbol) == 1 for symbol in language.symbols)
    return language.encode("".join(text.split()) if one_each else text)


def _choose(run: Run, number: int | None) -> Trained:
    """The restart of this number, the best one for None."""
    if number is None:
        return run.restarts[run.best]
    by_number = {trained.number: trained for trained in run.restarts}
    if number not in by_number:
        raise MemrnnError(
            f"There is no restart {number}; there are {', '.join(map(str, by_number))}."
        )
    return by_number[number]


def _say_doubtful(strings: int, which: str, console: Console) -> None:
    if strings:
        say(
            console,
            f"{strings} {which} strings are doubtful: a run of the stack that rounding has dropped "
            "may matter to their readings. Compare with --precision float64.",
        )


def _print_rows(rows: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        _print_json(rows)
        return
    table = Table(box=None, pad_edge=False)
    for name in rows[0]:
        table.add_column(name, justify="right" if isinstance(rows[0][name], int) else "left")
    for row in rows:
        cells = (" ".join(v) if isinstance(v, list) else str(v) for v in row.values())
        table.add_row(*map(Text, cells))
    Console().print(table)


def _print_json(value: Any) -> None:
    print(json.dumps(value, indent=1, allow_nan=False))


if __name__ == "__main__":
    main()
