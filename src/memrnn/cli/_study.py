"""The commands about studies: `memrnn study ...` and `memrnn reproduce`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import tyro
from rich.console import Console
from rich.table import Table
from rich.text import Text

from memrnn.cli._display import RunDisplay
from memrnn.engines import Engine, LocalEngine, RayEngine
from memrnn.errors import MemrnnError
from memrnn.runtime import check_output, cores
from memrnn.runtime.formats import duration
from memrnn.runtime.options import parse_duration
from memrnn.runtime.printing import print_json, say
from memrnn.studies import (
    FORMATS,
    Change,
    Study,
    StudyStatus,
    export,
    export_networks,
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
        file: a study file (TOML), or the name of one that ships, as demo, paper or stable; an
            unknown name lists them.
        out: folder for the ledger and the checkpoints; the same folder continues.
        engine: local (processes on this machine) or ray (a Ray cluster that shares this folder).
        workers: runs at a time; by default one per core.
        address: of the Ray cluster; by default $RAY_ADDRESS, else one is started here.
        retry: run also what has failed before.
        import_results: folders of `memrnn study export`, compact or not, whose finished runs are
            not run again.
        stop_after: end after such a time, as 90s, 9m or 1.5h; the same command goes on.
        dry_run: say what there is to run and what it takes, and run nothing.
    """
    seconds = None if stop_after is None else parse_duration(stop_after)
    study = load_study(file)
    if dry_run:
        expected = forecast(study, out, workers or cores(), import_results=import_results)
        for line in expected.lines():
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
        directory: folder that `memrnn study run --out` or `memrnn study export` filled.
        json: print JSON instead of a table.
    """
    status = study_status(directory)
    if json:
        print_json(status.to_json())
        return
    console = Console()
    console.print(_status_table(status))
    for line in _status_lines(status):
        say(console, line)


def report_command(directory: tyro.conf.Positional[Path], out: Path | None = None) -> None:
    """Writes the report of a study: one page, figures, tables, and the paper's claims.

    Args:
        directory: folder that `memrnn study run --out` filled, also while the study runs, or
            `memrnn study export`.
        out: folder for the report; by default `report` in the study's folder.
    """
    # Only here: SciPy's statistics would add a second to the start of every command.
    from memrnn.papers.das_mali_2024 import PAPER
    from memrnn.reports.study import write_study_report

    out = out or directory / "report"
    check_output(out)
    print(write_study_report(directory, out, PAPER))


def export_command(
    directory: tyro.conf.Positional[Path],
    out: Path | None = None,
    formats: Annotated[tuple[str, ...] | None, tyro.conf.arg(name="format")] = None,
    compact: bool = False,
    networks: bool = False,
) -> None:
    """Writes the tables of a study as Parquet and CSV files, and its best networks.

    Args:
        directory: folder that `memrnn study run --out` filled, or this command.
        out: folder for the files; by default `export` in the study's folder.
        formats: parquet, csv or both; by default both, of compact tables parquet.
        compact: keep less, for a repository: by group only the first precision, rounded; totals
            of evaluation sets stay as they are.
        networks: write also the best network of each cell, into `networks`: a run for evaluate,
            explain, extract and horizon, and for --start, but without what training it further
            needs.
    """
    folder = out or directory / "export"
    check_output(folder)
    chosen = formats or (("parquet",) if compact else FORMATS)
    for path in export(directory, folder, chosen, compact=compact):
        print(path)
    for path in export_networks(directory, folder / "networks") if networks else ():
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
    report_command(folder)


STUDY_COMMANDS = {
    "run": run_command,
    "status": status_command,
    "report": report_command,
    "export": export_command,
}


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
    """Runs a study, and says what has become of each run and of all.

    Args:
        brief: how many runs are finished, now and then, instead of a line for each.

    Raises:
        StudyFailedError: if runs failed.
        MemrnnError, OSError: as `run_study` does.
    """
    total = sum(map(len, plan(study)))
    with RunDisplay(console, total, brief=brief) as display:
        counts = run_study(
            study,
            out,
            engine,
            retry=retry,
            import_results=import_results,
            stop_after=stop_after,
            listener=lambda change: _show(display, change),
            notice=lambda sentence: say(console, sentence),
        )
    done, diverged, failed, left = (
        counts.get(status, 0) for status in ("done", "diverged", "failed", "planned")
    )
    say(
        console,
        f"{done + diverged} of {total} runs finished, {diverged} of them diverged, "
        f"{failed} failed.",
    )
    if stop_after is not None and left:
        say(
            console,
            f"Stopped after {duration(stop_after)}; {left} runs are left, and the same command "
            "goes on.",
        )
    if failed:
        (example,) = _fault_texts(study_status(out), 1)
        raise StudyFailedError(
            f"{failed} of {total} runs failed, for instance {example.rstrip('.')}. "
            f"See memrnn study status {out}; --retry runs them again."
        )


def _show(display: RunDisplay, change: Change) -> None:
    if change.status != "running":
        experiment, restart = change.run.experiment, change.run.restart
        line = f"{change.status:8} {experiment.label}  restart {restart}\n         {change.detail}"
        display.ended(change.run.id, line)


def _status_table(status: StudyStatus) -> Table:
    """Counts by task and model; those that are 0 everywhere have no column."""
    table = Table(box=None, pad_edge=False)
    table.add_column("task", overflow="fold")
    table.add_column("model", overflow="fold")
    shown = [name for name, count in status.counts.items() if count]
    for name in shown:
        table.add_column(name, justify="right")
    for one in status.progress:
        counts = (str(one.counts[name] or "·") for name in shown)
        table.add_row(Text(one.task), Text(one.model), *counts)
    return table


def _status_lines(status: StudyStatus) -> list[str]:
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
    if status.driver:
        lines.append("It is running now.")
    elif status.exported and finished < total:
        lines.append("These are exported tables; memrnn study run --import-results goes on.")
    elif finished + counts["failed"] < total:
        lines.append("It is not running; the same command continues.")
    else:
        lines.append("It is complete.")
    if status.left_behind:
        lines.append(f"{status.left_behind} further runs in the ledger left the study.")
    lines += [f"failed: {text}" for text in _fault_texts(status, _FAULTS_SHOWN)]
    if len(status.faults) > _FAULTS_SHOWN:
        lines.append(f"... and {len(status.faults) - _FAULTS_SHOWN} more; see --json.")
    lines += status.notes
    return lines


def _fault_texts(status: StudyStatus, most: int) -> list[str]:
    return [
        f"{fault.task} {fault.model} freeze={fault.freeze} restart {fault.restart}: {fault.reason}"
        for fault in status.faults[:most]
    ]
