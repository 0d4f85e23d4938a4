"""Compiling: one program per width and phase, shared by languages, none at a second start."""

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
import own_stream
from memrnn.runtime.precision import scope
from memrnn.training import Restart, epoch_program
from small_experiments import small

EXPERIMENT = small(
    "jm-2",
    train_lengths=(3, 42),
    batch_size=2,
    batches=8,
    validation_batches=3,
    max_epochs=2,
    length_bins=((50, 92),),
    samples_per_length=1,
)


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
        jax.config.update("jax_log_compiles", True)  # in every thread
        yield names
    finally:
        jax.config.update("jax_log_compiles", False)
        logger.removeHandler(handler)


def test_one_program_per_padded_length_and_phase(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Two phases of training whatever the lengths and restarts, one per width of evaluation."""
    with compiled() as names:
        run = memrnn.train(EXPERIMENT, tmp_path / "run", restarts=3)
    assert names == {"jit(epoch)": 1, "jit(_score)": 1}
    jax.clear_caches()
    with compiled() as names:
        memrnn.evaluate(run)
    assert names == {"jit(_score)": 3}
    with compiled() as names:
        memrnn.evaluate(run)
        more = dataclasses.replace(EXPERIMENT.config, max_epochs=3)
        memrnn.train(dataclasses.replace(EXPERIMENT, config=more), tmp_path / "run", restarts=3)
    assert dict(names) == {"jit(epoch)": 1, "jit(_score)": 1}


def test_a_second_start_takes_every_program_from_the_cache(tmp_path: Path) -> None:
    misses: list[str] = []

    def listen(name: str, **_: object) -> None:
        if name == "/jax/compilation_cache/cache_misses":
            misses.append(name)

    task = dataclasses.replace(EXPERIMENT.task, length_bins=((50, 60),))  # type: ignore[type-var]
    experiment = dataclasses.replace(EXPERIMENT, model="jm-4", task=task)
    jax.monitoring.register_event_listener(listen)
    counts = []
    for folder in ("first", "second"):
        jax.clear_caches()
        run = memrnn.train(experiment, tmp_path / folder, restarts=1)
        memrnn.evaluate(run)
        counts.append(len(misses))
    assert counts[0] >= 3
    assert counts[1] == counts[0]


def lowered(experiment: memrnn.Experiment) -> str:
    """The program of an experiment's epoch before it is compiled."""
    with scope("float32"):
        return epoch_program().lower(*Restart(experiment, 0).epoch_arguments()).as_text()


def test_languages_with_equally_many_symbols_share_their_programs() -> None:
    """No constant of a language is in the program: neither strings, nor lengths, nor seeds."""
    texts = {
        lowered(small("lstm-3", language=language, train_lengths=(3, 30), seed=seed))
        for language, seed in [
            ("marked-copy", 0),
            ("marked-reverse-and-copy", 0),
            ("count-and-copy", 0),
            ("count-3", 3),
        ]
    }
    assert len(texts) == 1
    (known,) = texts
    assert lowered(small("lstm-3", language="unmarked-copy", train_lengths=(3, 30))) != known


def test_files_of_equal_length_share_their_programs(tmp_path: Path) -> None:
    texts = set()
    for name, content in (("one", "abcab" * 60), ("two", "xyzzx" * 60)):
        (tmp_path / name).write_text(content)
        task = own_stream.Characters(str(tmp_path / name), streams=2, segment=8)
        texts.add(lowered(memrnn.Experiment(task, "lstm-3")))
    assert len(texts) == 1
