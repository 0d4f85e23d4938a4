"""Compiling: one program a bucket and phase, and none at a second start."""

import collections
import dataclasses
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import jax
import pytest

import memrnn

RECIPE = memrnn.Recipe(lengths=(3, 42), batch_size=2, batches=8, validation_batches=3, epochs=2)


@contextmanager
def compiled() -> Iterator[collections.Counter[str]]:
    """Counts what is compiled or fetched from the cache, by the name of the function."""
    names: collections.Counter[str] = collections.Counter()

    class Count(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if found := re.match(r"Compiling (\S+) with", record.getMessage()):
                names.update([found[1]])

    logger, handler = logging.getLogger("jax._src.interpreters.pxla"), Count()
    logger.addHandler(handler)
    try:
        with jax.log_compiles():
            yield names
    finally:
        logger.removeHandler(handler)


def test_one_program_a_bucket_and_phase(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Two phases of training whatever the lengths and restarts, one a padded length of testing."""
    experiment = memrnn.Experiment("marked-copy", "jm-2", (), RECIPE)
    with compiled() as names:
        run = memrnn.train(experiment, tmp_path / "run", restarts=3)
    assert names == {"jit(epoch)": 1, "jit(validate)": 1}
    jax.clear_caches()
    with compiled() as names:
        memrnn.test(run, [(50, 92)], strings_per_length=1)
    assert names == {"jit(mark)": 3}
    with compiled() as names:
        memrnn.test(run, [(50, 92)], strings_per_length=1)
        more = dataclasses.replace(RECIPE, epochs=3)
        memrnn.train(dataclasses.replace(experiment, recipe=more), tmp_path / "run", restarts=3)
    assert dict(names) == {"jit(epoch)": 1, "jit(validate)": 1}


def test_a_second_start_takes_every_program_from_the_cache(tmp_path: Path) -> None:
    misses: list[str] = []

    def listen(name: str, **_: object) -> None:
        if name == "/jax/compilation_cache/cache_misses":
            misses.append(name)

    experiment = memrnn.Experiment("marked-copy", "jm-4", (), RECIPE)
    jax.monitoring.register_event_listener(listen)
    counts = []
    for folder in ("first", "second"):
        jax.clear_caches()
        run = memrnn.train(experiment, tmp_path / folder, restarts=1)
        memrnn.test(run, [(50, 60)], strings_per_length=1)
        counts.append(len(misses))
    assert counts[0] >= 3
    assert counts[1] == counts[0]
