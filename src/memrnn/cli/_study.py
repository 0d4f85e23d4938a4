"""The commands about studies: `memrnn study ...` and `memrnn reproduce`."""

import json as json_module
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from memrnn.cli._display import LINE_SECONDS
from memrnn.engines import Engine, LocalEngine, RayEngine
from memrnn.errors import MemrnnError
from memrnn.runtime import check_output, cores, say
from memrnn.runtime.options import parse_duration
from memrnn.runtime.printing import duration
from memrnn.studies import (
    FORMATS,
    Change,
    Study,
    StudyStatus,
    export,
    forecast,
    load_study,
    plan,
    run_study,
    study_status,
)

EngineName = Literal["local", "ray"]
_FAULTS_SHOWN = 10


class StudyFailedError(Exception):
    """A study ended, and some of its runs failed; the message says which and why."""


def run_command(
    file: tyro.conf.Positional[str],
    out: Path,
    engine: EngineName = "local",
    workers: int | None = None,
    address: str | None = None,
    retry: bool = False,
    import_results: tuple[Path, ...] = (),
    stop_after: str | None = None,
    dry_run: bool = False,
) -> None:
    """Runs a study, or what is left of it; called again, it continues.

    Args:
        file: a study file (TOML), or the name of one that ships: demo, smoke, paper-small, paper.
        out: folder for the ledger and the checkpoints; the same folder continues.
        engine: local (processes on this machine) or ray (a Ray cluster that shares this folder).
        workers: runs at a time; by default one per core.
        address: of the Ray cluster; by default $RAY_ADDRESS, else one is started here.
        retry: run also what has failed before.
        import_results: folders of `memrnn study export`, whose finished runs are not run again.
        stop_after: end after such a time, as 90s, 9m or 1.5h; the same command goes on.
        dry_run: say what there is to run and what it takes, and run nothing.
    """
    seconds = None if stop_after is None else parse_duration(stop_after)
    study = load_study(file)
    if dry_run:
        for line in forecast(study, out, workers or cores()).lines():
            print(line)
        return
    console = Console(stderr=True)
    run_and_show(
        study,
        out,
        _engine(engine, workers, address),
        console,
        retry=retry,
        import_results=import_results,
        stop_after=seconds,
    )
    say(console, f"next: memrnn study report {out}")


def status_command(directory: tyro.conf.Positional[Path], json: bool = False) -> None:
    """Shows how far a study is, how fast, and when it will be done.

    Args:
        directory: folder that `memrnn study run --out` filled.
        json: print JSON instead of a table.
    """
    status = study_status(directory)
    if json:
        print(json_module.dumps(status.to_json(), indent=1, allow_nan=False))
        return
    console = Console()
    console.print(_status_table(status))
    for line in status_lines(status):
        say(console, line)


def report_command(directory: tyro.conf.Positional[Path], out: Path | None = None) -> None:
    """Writes the report of a study: one page, figures, tables, and the paper's claims.

    Args:
        directory: folder that `memrnn study run --out` filled; also while the study runs.
        out: folder for the report; by default `report` in the study's folder.
    """
    print(_report(directory, out))


def export_command(
    directory: tyro.conf.Positional[Path],
    out: Path | None = None,
    formats: Annotated[tuple[str, ...], tyro.conf.arg(name="format")] = FORMATS,
) -> None:
    """Writes the ledger's tables as Parquet and CSV files.

    Args:
        directory: folder that `memrnn study run --out` filled.
        out: folder for the files; by default `export` in the study's folder.
        formats: parquet, csv or both.
    """
    folder = out or directory / "export"
    check_output(folder)
    for path in export(directory, folder, formats):
        print(path)


def reproduce_command(
    preset: Literal["small", "paper", "smoke"] = "small",
    out: Path | None = None,
    engine: EngineName = "local",
    workers: int | None = None,
    address: str | None = None,
) -> None:
    """Runs the paper's grid, or a part of it, and writes the report: one command for all.

    Args:
        preset: smoke (24 runs, minutes), small (336 runs, a long evening) or paper (all 1,400).
        out: folder for all that is made; by default `reproduce-PRESET`. The same continues.
        engine: local or ray, as in `memrnn study run`.
        workers: runs at a time; by default one per core.
        address: of the Ray cluster.
    """
    study = load_study("paper-small" if preset == "small" else preset)
    folder = out or Path(f"reproduce-{preset}")
    run_and_show(study, folder, _engine(engine, workers, address), Console(stderr=True))
    print(_report(folder, None))


STUDY_COMMANDS = {
    "run": run_command,
    "status": status_command,
    "report": report_command,
    "export": export_command,
}


def status_lines(status: StudyStatus) -> list[str]:
    """What a study's status says in sentences, each within 80 columns where it can."""
    counts = status.counts
    total = sum(counts.values())
    finished = counts["done"] + counts["diverged"]
    lines = [
        f"{finished} of {total} runs finished, {counts['diverged']} of them diverged; "
        f"{counts['running']} running, {counts['planned']} planned, {counts['failed']} failed.",
        f"{status.epochs} epochs in {duration(status.core_seconds)} of workers' time.",
    ]
    if status.runs_per_hour is not None:
        left = f"; about {duration(status.seconds_left)} left" if status.seconds_left else ""
        lines.append(
            f"{status.runs_per_hour:.1f} runs per hour on {status.workers} workers "
            f"({status.engine}){left}."
        )
    lines.append(
        "It is running now."
        if status.driver
        else "It is not running; the same command continues."
        if finished + counts["failed"] < total
        else "It is complete."
    )
    if status.left_behind:
        lines.append(f"{status.left_behind} further runs in the ledger left the study.")
    for fault in status.faults[:_FAULTS_SHOWN]:
        lines.append(
            f"failed: {fault.task} {fault.model} freeze={fault.freeze} restart "
            f"{fault.restart}: {fault.reason}"
        )
    if len(status.faults) > _FAULTS_SHOWN:
        lines.append(f"... and {len(status.faults) - _FAULTS_SHOWN} more; see --json.")
    return lines


def _report(folder: Path, out: Path | None) -> Path:
    # Only here: SciPy's statistics would add a second to the start of every command.
    from memrnn.papers.das_mali_2024 import PAPER
    from memrnn.reports.study import write_study_report

    out = out or folder / "report"
    check_output(out)
    return write_study_report(folder, out, PAPER)


def _engine(name: EngineName, workers: int | None, address: str | None) -> Engine:
    if address is not None and name != "ray":
        raise MemrnnError("--address is of a Ray cluster; it needs --engine ray.")
    return RayEngine(workers, address) if name == "ray" else LocalEngine(workers)


def run_and_show(
    study: Study,
    out: Path,
    engine: Engine,
    console: Console,
    *,
    brief: bool = False,
    retry: bool = False,
    import_results: Sequence[Path] = (),
    stop_after: float | None = None,
) -> None:
    """Runs a study and says what becomes of it.

    Args:
        brief: how many runs are finished, now and then, instead of a line for each.

    Raises:
        StudyFailedError: if runs failed.
        MemrnnError, OSError: as `run_study` does.
    """
    total = sum(map(len, plan(study)))
    with _Display(total, console, brief) as display:
        counts = run_study(
            study,
            out,
            engine,
            retry=retry,
            import_results=import_results,
            stop_after=stop_after,
            listener=display,
            notice=lambda sentence: say(console, sentence),
        )
    say(
        console,
        f"{counts.get('done', 0) + counts.get('diverged', 0)} of {total} runs finished, "
        f"{counts.get('diverged', 0)} of them diverged, {counts.get('failed', 0)} failed.",
    )
    if stop_after is not None and (left := counts.get("planned", 0)):
        say(
            console,
            f"Stopped after {duration(stop_after)}; {left} runs are left, and the same command "
            "goes on.",
        )
    if counts.get("failed"):
        fault = study_status(out).faults[0]
        raise StudyFailedError(
            f"{counts['failed']} of {total} runs failed, for instance {fault.task} "
            f"{fault.model} freeze={fault.freeze} restart {fault.restart}: "
            f"{fault.reason.rstrip('.')}. "
            f"See memrnn study status {out}; --retry runs them again."
        )


class _Display:
    """A line for each finished run, or for many, and in a terminal a bar for all."""

    def __init__(self, total: int, console: Console, brief: bool):
        self._console, self._total, self._finished = console, total, 0
        self._brief, self._spoke = brief, time.monotonic()
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("runs, this time", total=total)

    def __enter__(self) -> "_Display":
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def __call__(self, change: Change) -> None:
        if change.status == "running":
            return
        self._finished += 1
        self._bar.advance(self._task)
        if self._brief:
            now = time.monotonic()
            if not self._console.is_terminal and now - self._spoke > LINE_SECONDS:
                say(self._console, f"{self._finished} of {self._total} runs finished.")
                self._spoke = now
            return
        cell = change.run.experiment
        say(
            self._console,
            f"{change.status:8} {cell.label}  "
            f"restart {change.run.restart}\n         {change.detail}",
        )


def _status_table(status: StudyStatus) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("task")
    table.add_column("model")
    for name in status.counts:
        table.add_column(name, justify="right")
    for one in status.progress:
        table.add_row(Text(one.task), Text(one.model), *_counts(one.counts.values()))
    return table


def _counts(numbers: Any) -> Sequence[str]:
    return [str(number or "·") for number in numbers]
