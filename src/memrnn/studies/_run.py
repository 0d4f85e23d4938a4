"""Runs a study, or what is left of it."""

import math
import platform
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from memrnn.engines import Engine
from memrnn.runtime import check_main_guard
from memrnn.runtime.imports import import_files
from memrnn.studies._about import versions
from memrnn.studies._changes import check_changes
from memrnn.studies._driver import Driver, Listener
from memrnn.studies._finished import read_finished
from memrnn.studies._folder import keep_imports, lock_folder
from memrnn.studies._ledger import Ledger
from memrnn.studies._records import Records, Tasks
from memrnn.studies._study import Study, plan


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
        retry: run also what has failed before.
        import_results: folders that `export` wrote; runs that are finished there, and not here,
            are taken from them instead of being run.
        stop_after: seconds, from which on no run is started; workers have a few more to
            finish the current epoch. The next call goes on.
        notice: called with sentences about what differs from last time, and what was taken.

    Returns:
        How many runs of the study have each status.

    Raises:
        MemrnnError: if `out` holds something else, another process runs a study in it, the ledger
            is damaged or locked, one of `import_results` is no export, or workers cannot import
            the script that calls this.
        OSError: if the disk is full.
    """
    check_main_guard()
    out = Path(out).resolve()  # workers may have another working directory
    import_files(study.imports)
    planned_jobs = plan(study)
    tasks = Tasks.of(planned_jobs)
    planned = {run.id for planned_job in planned_jobs for run in planned_job}
    exports = [read_finished(folder, planned, study.config) for folder in import_results]
    notice = notice or (lambda _: None)
    with lock_folder(out), Ledger(out, create=True) as ledger:
        records = Records(ledger)
        for sentence in check_changes(ledger, study, planned_jobs, tasks):
            notice(sentence)
        imports = keep_imports(study.imports, out)
        with ledger.writing():
            for exported in exports:
                new = exported.without(records.finished(), study.config)
                records.adopt(new.runs, new.tables)
                notice(new.sentence())
            records.plan(study, planned_jobs, tasks)
            if retry:
                records.retry()
            session = records.open_session(engine.name, engine.workers, platform.node(), versions())
        driver = Driver(study, imports, out, engine, ledger, tasks, listener or (lambda _: None))
        outcome = "stopped"
        deadline = math.inf if stop_after is None else time.monotonic() + stop_after
        try:
            if driver.run(planned_jobs, deadline):
                outcome = "ended"
        except OSError as error:
            outcome = f"stopped: {error.args[-1]}"
            raise
        finally:
            engine.close()
            with ledger.writing():
                records.release(driver.running)
                records.close_session(session, outcome)
        return counts(ledger)


def counts(ledger: Ledger) -> dict[str, int]:
    """How many runs of the study have each status."""
    rows = ledger.rows(
        "SELECT status, count(*) AS runs FROM runs WHERE position IS NOT NULL GROUP BY status"
    )
    return {row["status"]: row["runs"] for row in rows}
