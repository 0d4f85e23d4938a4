"""The commands about one cell: `memrnn train`, `evaluate`, `explain` and `tasks`."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import tyro
from rich.console import Console

from memrnn.cli._display import TrainingDisplay
from memrnn.cli._task_flags import CONFIG, evaluation_options, spec_of, task_options
from memrnn.errors import MemrnnError
from memrnn.evaluation import evaluate
from memrnn.nn.components import parse_freeze
from memrnn.runtime import cores, say
from memrnn.runtime.options import from_json, parse_duration, to_json
from memrnn.runtime.precision import check_precision
from memrnn.runtime.printing import duration, print_json, print_rows
from memrnn.tasks import Task, make_task, parse_task, task_class, task_names
from memrnn.training import Experiment, Run, Trained, TrainingConfig, load_run, start_from, train


def train_command(kind: type[Task], imports: Sequence[str]) -> Callable[..., None]:
    """The command that trains on a task of this class, whose options are flags.

    Args:
        imports: what was imported, so that the folder can keep it.
    """
    options_type, config_type = task_options(kind), CONFIG

    def command(
        model: str,
        out: Path,
        language: str | None = None,
        task: str | None = None,
        freeze: str = "none",
        restarts: int = 10,
        restart_ids: tuple[int, ...] = (),
        seed: int = 0,
        start: Path | None = None,
        workers: int | None = None,
        stop_after: str | None = None,
        options: Annotated[options_type, tyro.conf.arg(name="")] = options_type(),  # type: ignore[valid-type] # noqa: B008
        config: Annotated[config_type, tyro.conf.arg(name="")] = config_type(),  # type: ignore[valid-type] # noqa: B008
    ) -> None:
        """Trains restarts of a network; called again, it continues.

        Args:
            model: name of the model, see `memrnn models`.
            out: folder for the checkpoints.
            language: name of a language, see `memrnn languages`; short for --task strings:LANGUAGE.
            task: NAME:ARGUMENT, see `memrnn tasks`.
            freeze: components that keep their random start, joined by `+`: embedding, controller,
                memory, output; or none.
            restarts: training runs, each with a seed of its own, numbered from 0.
            restart_ids: numbers of the restarts to train now, instead of all; others stay as they
                are.
            seed: from which every restart's own seed follows.
            start: folder of a run, whose best network training starts from.
            workers: processes, each of which trains one restart at a time on one core, or many on
                a GPU; by default one per core.
            stop_after: end after such a time, as 90s, 9m or 1.5h; the same command goes on.
            options: of the task.
            config: everything about training that is neither the task nor the network.
        """
        chosen = parse_task(spec_of(task, language), to_json(options))
        settings = from_json(TrainingConfig, to_json(config), "[config]")
        begin = None if start is None else start_from(start)
        experiment = Experiment(chosen, model, parse_freeze(freeze), settings, seed, begin)
        seconds = None if stop_after is None else parse_duration(stop_after)
        console, asked = Console(stderr=True), len(set(restart_ids)) or restarts
        with TrainingDisplay(experiment, asked, console) as shown:
            run = train(
                experiment,
                out,
                restart_ids or restarts,
                workers=cores() if workers is None else workers,
                stop_after=seconds,
                imports=imports,
                listener=shown,
            )
        if run.restarts:
            _print_best(run, console)
        left = asked - sum(one.progress.status != "running" for one in run.restarts)
        if seconds is not None and left:
            say(
                console,
                f"Stopped after {duration(seconds)}; {left} of {asked} restarts are left, and the "
                "same command goes on.",
            )
            return
        say(console, f"next: memrnn evaluate {out}")

    return command


def evaluate_command(task: Task | None) -> Callable[..., None]:
    """The command that evaluates what was trained on a task, with its options as defaults.

    Args:
        task: of the folder that is evaluated; None where there is none.
    """
    kind = task_class("strings") if task is None else type(task)
    options_type = evaluation_options(kind)
    known = {} if task is None else {name: getattr(task, name) for name in kind.evaluation_options}

    def command(
        directory: tyro.conf.Positional[Path],
        precision: str | None = None,
        json: bool = False,
        options: Annotated[options_type, tyro.conf.arg(name="")] = options_type(**known),  # type: ignore[valid-type] # noqa: B008
    ) -> None:
        """Evaluates what `memrnn train` trained, beside exact references.

        Args:
            directory: folder that `memrnn train --out` filled.
            precision: float64, float32, bfloat16 or float16; by default that of the training.
            json: print JSON instead of a table.
            options: of the task's evaluation; by default those that it was trained with.
        """
        from memrnn.reports import result_table, warnings_of  # here, since it imports matplotlib

        if precision is not None:
            check_precision(precision)
        run = load_run(directory)
        before = run.experiment.task
        chosen = make_task(before.name, before.options() | to_json(options))
        evaluation = evaluate(run, chosen, precision=precision)
        for warning in warnings_of([evaluation]):
            say(Console(stderr=True), warning)
        if json:
            print_json(evaluation.to_json())
        else:
            Console().print(result_table(evaluation))

    return command


def explain_command(
    directory: tyro.conf.Positional[Path],
    string: str,
    restart: int | None = None,
    out: Path | None = None,
    json: bool = False,
) -> None:
    """Shows what a trained net predicts along a sequence, and what its memory does there.

    Args:
        directory: folder that `memrnn train --out` filled.
        string: inputs of the task; with spaces between them where one has several characters.
        restart: number of the restart; by default the best one.
        out: file for a figure, .svg, .pdf or .png.
        json: print JSON instead of a table.
    """
    # Here, since both import matplotlib.
    from memrnn.explain import draw_explanation, explain, explanation_table
    from memrnn.runtime.figures import check_figure_path, save_figure

    if out is not None:
        check_figure_path(out)
    run = load_run(directory)
    task = run.experiment.task
    labels, tokens, trained = task.labels, task.encode(string), _choose(run, restart)
    explanation = explain(trained.network, tokens, task.targets(tokens))
    title = f"{run.experiment.label}, restart {trained.number}"
    if out is not None:
        save_figure(draw_explanation(explanation, labels, title), out, title)
    if json:
        print_json({"restart": trained.number, **explanation.to_json(labels)})
        return
    Console().print(explanation_table(explanation, labels, title, task.remarks(string)))


def tasks_command(json: bool = False) -> None:
    """Lists the tasks.

    Args:
        json: print JSON instead of a table.
    """
    rows: list[dict[str, Any]] = []
    for name in task_names():
        kind = task_class(name)
        names = kind.option_names()
        rows.append(
            {
                "name": f"{name}:{names[0].upper()}" if names else name,
                "description": (kind.__doc__ or "").split("\n")[0],
                "options": list(names[1:]),
            }
        )
    print_rows(rows, json)


def _print_best(run: Run, console: Console) -> None:
    best = run.restarts[run.best]
    metric, reference = best.progress.selection, best.progress.reference
    diverged = sum(restart.progress.status == "diverged" for restart in run.restarts)
    text = (
        f"best of {len(run.restarts)}: restart {best.number}, validation {metric.name} "
        f"{best.progress.schedule.best:.4f}"
    )
    if reference is not None:
        text += f", exact bound {reference:.4f}"
    say(console, text + (f"; {diverged} diverged" if diverged else ""))
    for metric in run.experiment.task.metrics:
        totals = [one.progress.best_validation.get(metric.name) for one in run.restarts]
        count = sum(total.numerator for total in totals if total is not None)
        if metric.warning and count:
            say(console, f"{metric.name} in validation: {count:.0f}. {metric.warning}")


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
