"""The commands about one experiment: `memrnn train`, `evaluate` and `explain`."""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro
from rich.console import Console

from memrnn.cli._display import RunDisplay
from memrnn.cli._flags import options_class
from memrnn.errors import MemrnnError
from memrnn.evaluation import evaluate
from memrnn.nn.components import COMPONENTS, parameter_count, parse_freeze
from memrnn.runtime import cores
from memrnn.runtime.formats import duration
from memrnn.runtime.options import from_json, parse_duration, to_json
from memrnn.runtime.precision import canonical_precision
from memrnn.runtime.printing import print_json, print_rows, say
from memrnn.tasks import Preset, Task, make_task, parse_task, task_class
from memrnn.training import (
    Experiment,
    Progress,
    Run,
    TrainingConfig,
    load_run,
    start_from,
    train,
)


def train_command(kind: type[Task], preset: Preset, imports: Sequence[str]) -> Callable[..., None]:
    """The command that trains on a task of this class, whose options are flags.

    Args:
        preset: default values of the flags.
        imports: what was imported, so that the folder can keep it.
    """
    options_type = options_class(kind, kind.option_names()[1:], preset.options)
    config_fields = [field.name for field in dataclasses.fields(TrainingConfig)]
    config_type = options_class(TrainingConfig, config_fields, preset.config)

    def command(
        model: str,
        out: Path,
        language: str | None = None,
        text: str | None = None,
        task: str | None = None,
        freeze: str = "none",
        restarts: int = 10,
        restart_ids: tuple[int, ...] = (),
        seed: int = 0,
        start: Path | None = None,
        measure: tuple[str, ...] = (),
        workers: int | None = None,
        stop_after: str | None = None,
        dry_run: bool = False,
        config: str | None = None,
        options: Annotated[options_type, tyro.conf.arg(name="")] = options_type(),  # type: ignore[valid-type] # noqa: B008
        training: Annotated[config_type, tyro.conf.arg(name="")] = config_type(),  # type: ignore[valid-type] # noqa: B008
    ) -> None:
        """Trains restarts of a network; called again, it continues.

        Args:
            model: name of the model, see `memrnn models`.
            out: folder for the checkpoints.
            language: name of a language, see `memrnn languages`; short for --task strings:LANGUAGE.
            text: folder of a tokenised corpus, or name of one that ships (kjv, kjv-small); short
                for --task text:FOLDER_OR_NAME.
            task: NAME:ARGUMENT, see `memrnn tasks`.
            freeze: components that keep their random start, joined by `+`: embedding, controller,
                memory, output; or none.
            restarts: training runs, each with a seed of its own, numbered from 0.
            restart_ids: numbers of the restarts to train now, instead of all; others stay as they
                are.
            seed: from which every restart's own seed follows.
            start: folder of a run, whose best network training starts from.
            measure: names of measures whose numbers the curve keeps after every epoch, such as
                drift; memrnn curve shows them.
            workers: processes, each of which trains one restart at a time on one core, or many on
                a GPU; by default one per core.
            stop_after: end after such a time, as 90s, 9m or 1.5h; the same command goes on.
            dry_run: print how many parameters each component has, and write nothing.
            config: preset of the flags below: for strings paper, stable or stable-late, for text
                paper, strong or strong-averaged; flags that are given come first.
            options: of the task.
            training: everything about training that is neither the task nor the network.
        """
        del config  # has chosen the defaults of the flags
        named = {"strings": language, "text": text}
        given = [f"{name}:{value}" for name, value in named.items() if value is not None]
        given += [task] if task is not None else []
        if len(given) != 1:
            raise MemrnnError(
                "Give one of --language L, --text FOLDER_OR_NAME and --task NAME:ARGUMENT; see "
                "memrnn tasks."
            )
        experiment = Experiment(
            parse_task(given[0], to_json(options)),
            model,
            parse_freeze(freeze),
            from_json(TrainingConfig, to_json(training), "[config]"),
            seed,
            None if start is None else start_from(start),
            measure,
        )
        if dry_run:
            print_rows(_parameter_rows(experiment))
            return
        seconds = None if stop_after is None else parse_duration(stop_after)
        console, count = Console(stderr=True), len(set(restart_ids)) or restarts
        for note in experiment.task.notes:
            say(console, note)
        with RunDisplay(console, count, title=experiment.label) as display:
            run = train(
                experiment,
                out,
                restart_ids or restarts,
                workers=cores() if workers is None else workers,
                stop_after=seconds,
                imports=imports,
                listener=lambda number, progress: _show(
                    display, number, progress, experiment.config.max_epochs
                ),
            )
        if run.restarts:
            _say_best(run, console)
        left = count - sum(one.progress.status != "running" for one in run.restarts)
        if seconds is not None and left:
            say(
                console,
                f"Stopped after {duration(seconds)}; {left} of {count} restarts are left, and the "
                "same command goes on.",
            )
        else:
            say(console, f"next: memrnn evaluate {out}")

    return command


def _parameter_rows(experiment: Experiment) -> list[dict[str, Any]]:
    """Each component's number of parameters, and that of all."""
    network = experiment.task.build(experiment.definition, 0)
    rows = [
        {
            "component": component,
            "parameters": parameter_count(network, component),
            "trained": component not in experiment.freeze,
        }
        for component in COMPONENTS
    ]
    return [*rows, {"component": "all", "parameters": parameter_count(network), "trained": ""}]


def evaluate_command(task: Task | None) -> Callable[..., None]:
    """The command that evaluates what was trained on a task, with its options as defaults.

    Args:
        task: of the folder that is evaluated; None where there is none.
    """
    kind = task_class("strings") if task is None else type(task)
    options_type = options_class(kind, kind.evaluation_options, {})
    defaults = {} if task is None else {n: getattr(task, n) for n in kind.evaluation_options}

    def command(
        directory: tyro.conf.Positional[Path],
        precision: str | None = None,
        rounding: Literal["nearest", "stochastic"] = "nearest",
        gate_noise: float = 0.0,
        without_memory: bool = False,
        json: bool = False,
        options: Annotated[options_type, tyro.conf.arg(name="")] = options_type(**defaults),  # type: ignore[valid-type] # noqa: B008
    ) -> None:
        """Evaluates what `memrnn train` trained, beside exact references.

        Args:
            directory: folder that `memrnn train --out` filled.
            precision: float64, float32, bfloat16, float16, or a format with few bits, as e5m2,
                memory=e5m2 or controller=e5m2; by default that of the training.
            rounding: how numbers are rounded to few bits.
            gate_noise: standard deviation of the noise on what the controller's gates get from the
                input; 0 for none, also where training had some.
            without_memory: every reading of the memory is 0: what the network does with its state
                alone.
            json: print JSON instead of a table.
            options: of the task's evaluation; by default those that it was trained with.
        """
        from memrnn.reports import result_table, warnings_of  # here, since it imports matplotlib

        if rounding == "stochastic":
            if precision is None:
                raise MemrnnError("Stochastic rounding needs a --precision with few bits, as e5m2.")
            precision = canonical_precision(f"{precision}:stochastic")
        elif precision is not None:
            precision = canonical_precision(precision)
        run = load_run(directory)
        trained = run.experiment.task
        evaluated = make_task(trained.name, trained.options() | to_json(options))
        evaluation = evaluate(
            run,
            evaluated,
            precision=precision,
            gate_noise=gate_noise,
            without_memory=without_memory,
        )
        for warning in (*evaluated.notes, *warnings_of([evaluation])):
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
    labels, tokens, trained = task.labels, task.encode(string), run.restart(restart)
    explanation = explain(trained.network, tokens, task.targets(tokens), task.scored_from)
    title = f"{run.experiment.label}, restart {trained.number}"
    if out is not None:
        save_figure(draw_explanation(explanation, labels, title), out, title)
    if json:
        print_json({"restart": trained.number, **explanation.to_json(labels)})
        return
    Console().print(explanation_table(explanation, labels, title, task.remarks(string)))


def _show(display: RunDisplay, number: int, progress: Progress, max_epochs: int) -> None:
    """Shows the last epoch of a restart."""
    if not progress.curve:
        return
    metric, best, name = progress.selection, progress.schedule.best, f"restart {number}"
    value = metric.value(progress.curve[-1].validation[metric.name])
    text = f"epoch {progress.epochs}/{max_epochs}  {metric.name} {value:.4f}"
    if progress.reference is None:
        text += f"  best {best:.4f}"
    elif progress.excess_text:
        text += f"  best {progress.excess_text}"
    if progress.averaged_from is not None:
        text += f", averaged from epoch {progress.averaged_from} on"
    if progress.status == "running":
        display.running(name, text, progress.epochs / max_epochs)
    else:
        display.ended(name, f"{name}: {text}, {progress.status}")


def _say_best(run: Run, console: Console) -> None:
    best = run.restart(None)
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
