"""Runs a study, or what is left of it."""

import json
import math
import platform
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa

from memrnn.engines import Engine
from memrnn.errors import MemrnnError
from memrnn.runtime import check_main_guard
from memrnn.runtime.imports import IMPORTS_FOLDER, copy_imports, import_files, is_file_entry
from memrnn.runtime.locks import hold
from memrnn.runtime.sources import file_digest
from memrnn.studies._about import versions
from memrnn.studies._changes import check_changes
from memrnn.studies._compact import notes_of
from memrnn.studies._driver import Driver, Listener
from memrnn.studies._ledger import LEDGER_FILE, Ledger
from memrnn.studies._records import Records
from memrnn.studies._study import PlannedRun, Study, plan
from memrnn.studies._tables import read_export

LOCK_TIMEOUT = 1.0
"""Seconds to wait for the folder: `study status` holds it for a moment when it looks."""


def run_study(
    study: Study,
    out: str | Path,
    engine: Engine,
    *,
    retry: bool = False,
    import_results: Sequence[str | Path] = (),
    stop_after: float | None = None,
    listener: Listener | None = None,
    notice: Callable[[str], None] | None = None,
) -> dict[str, int]:
    """Runs what is not yet done of a study and keeps its ledger in the folder `out`.

    Called again it continues, whatever ended it before. A study that has grown since is added
    to, `max_epochs` may have grown, too; one with another configuration or seed is refused.

    Args:
        study: to be run.
        out: its folder; it is made where it does not exist.
        engine: where jobs run, `LocalEngine` or `RayEngine`.
        retry: run also what has failed before.
        import_results: folders that `export` wrote; runs that are finished there, and not here,
            are taken from them instead of being run.
        stop_after: seconds, from which on no run is started; workers have a few more to
            finish the current epoch. The next call goes on.
        listener: called with every change of a run's status.
        notice: called with sentences about what differs from last time, and what was taken.

    Returns:
        How many runs of the study have each status.

    Raises:
        MemrnnError: if `out` holds something else, another process runs a study in it, the ledger
            is damaged or locked, one of `import_results` is no export or has other seeds, or
            workers cannot import the script that calls this.
        OSError: if the disk is full.

    Examples:
        >>> from memrnn.engines import LocalEngine
        >>> from memrnn.studies import Study, run_study
        >>> study = Study(("strings:count-3",), ("lstm", "jm-3"), restarts=2)
        >>> counts = run_study(study, "study", LocalEngine(1), stop_after=0.0)  # only plans
        >>> counts["planned"]
        4
    """
    check_main_guard()
    out = Path(out).resolve()  # workers may have another working directory
    import_files(study.imports)
    jobs = plan(study)
    runs = [run for job in jobs for run in job]
    tasks = {run.experiment.task.spec: run.experiment.task for run in runs}
    exports = {folder: read_export(folder) for folder in import_results}
    for folder, tables in exports.items():
        _check_seeds(folder, tables["runs"], runs)
    notice = notice or (lambda _: None)
    with _locked(out), Ledger(out, create=True) as ledger:
        records = Records(ledger)
        for sentence in check_changes(ledger, study, jobs, tasks):
            notice(sentence)
        imports = _keep_imports(study.imports, out)
        with ledger.writing():
            for folder, tables in exports.items():
                planned = {run.id for run in runs}
                taken, others = records.import_runs(tables, planned, study.config)
                text = f"{taken} finished runs are taken from {folder}"
                notice(
                    f"{text}; {others} more there are not of this study." if others else f"{text}."
                )
                for sentence in notes_of(tables["facts"]) if taken else ():
                    notice(sentence)
            records.plan(study, jobs, tasks)
            if retry:
                records.retry()
            session = records.open_session(engine.name, engine.workers, platform.node(), versions())
        driver = Driver(study, imports, out, engine, ledger, listener or (lambda _: None))
        outcome = "stopped"
        deadline = math.inf if stop_after is None else time.monotonic() + stop_after
        try:
            if driver.run(jobs, deadline):
                outcome = "ended"
        except OSError as error:
            outcome = f"stopped: {error.args[-1]}"
            raise
        finally:
            engine.close()
            with ledger.writing():
                records.release(driver.running)
                records.close_session(session, outcome)
        counts = ledger.rows(
            "SELECT status, count(*) AS runs FROM runs WHERE position IS NOT NULL GROUP BY status"
        )
        return {row["status"]: row["runs"] for row in counts}


def _check_seeds(folder: str | Path, exported: pa.Table, planned: Sequence[PlannedRun]) -> None:
    """Refuses tables whose runs are all of other seeds than those of the study."""
    ids = {run.id for run in planned}
    seeds = {
        (*run.cell.values(), run.restart): run.experiment.restart_seed(run.restart)
        for run in planned
    }
    rows = exported.to_pylist()
    names = [(row["task"], row["model"], row["freeze"], row["restart"]) for row in rows]
    others = [
        row
        for name, row in zip(names, rows, strict=True)
        if name in seeds and seeds[name] != row["seed"]
    ]
    if others and not any(row["id"] in ids for row in rows):
        versions = {json.loads(row["versions"] or "{}").get("memrnn", "?") for row in others}
        raise MemrnnError(
            f"No run of {folder} can be taken: its runs of these cells (of memrnn "
            f"{', '.join(sorted(versions))}) have other seeds than this study gives them."
        )


@contextmanager
def _locked(out: Path) -> Generator[None]:
    """Locks the folder while the study runs in it."""
    if out.exists() and not out.is_dir():
        raise MemrnnError(f"{out} is a file; give a folder that does not exist or is empty.")
    ours = (out / LEDGER_FILE).exists() or (out / "runs").is_dir()
    if out.exists() and any(out.iterdir()) and not ours:
        raise MemrnnError(f"{out} is not empty and holds no study; give another folder.")
    out.mkdir(parents=True, exist_ok=True)
    with hold(out, "running the study", LOCK_TIMEOUT):
        yield


def _keep_imports(entries: Sequence[str], out: Path) -> tuple[str, ...]:
    """Copies what a study imports into its folder, so that the folder can be moved.

    A copy that means something else, of an earlier session, is kept as `imports-1` and so on.

    Returns:
        The entries, where files are the copies' paths.
    """
    for path in [Path(entry) for entry in entries if is_file_entry(entry)]:
        copy = out / IMPORTS_FOLDER / path.stem / path.name
        if copy.is_file() and file_digest(copy) != file_digest(path):
            number = 1
            while (older := out / f"{IMPORTS_FOLDER}-{number}").exists():
                number += 1
            (out / IMPORTS_FOLDER).rename(older)
    return tuple(
        str(out / entry) if is_file_entry(entry) else entry for entry in copy_imports(entries, out)
    )
