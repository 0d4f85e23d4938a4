"""What a study of a text keeps: the nats of every word of every run, and their sums."""

import math
import shutil
from collections import defaultdict
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scripted_engine import ScriptedEngine

from memrnn.errors import MemrnnError
from memrnn.evaluation import items_path, load_items, save_items
from memrnn.runtime.precision import cast, scope
from memrnn.studies import (
    Ledger,
    Study,
    export,
    load_results,
    load_tables,
    parse_study,
    run_study,
)
from memrnn.text import fit_baselines, read_corpus
from memrnn.training import load_run

LINES = ["the cat sat on the mat", "the dog sat", "a cat and a dog ran", "the mat ran on a dog"]
SENTENCES = {"valid": 230, "test": 250}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corpus whose parts have more sentences than a compact export keeps of an inner set."""
    rng, path = np.random.default_rng(0), tmp_path_factory.mktemp("corpus")
    for name, count in {"train": 300, **SENTENCES}.items():
        lines = [LINES[i] for i in rng.integers(len(LINES), size=count)]
        (path / f"{name}.txt").write_text("\n".join(lines) + "\n")
    return path


def study_of(corpus: Path, **changes: object) -> Study:
    return parse_study(
        {
            "texts": [str(corpus)],
            "models": ["lstm-4+jm-2:depth_limit=3"],
            "freeze": ["none", "memory"],
            "restarts": 1,
            "text": {"streams": 4, "segment": 7, "evaluation_streams": 3},
            "config": {"optimizer": "sgd", "max_epochs": 1, "learning_rate_range": [1.0, 1.0]},
        }
        | changes
    )


@pytest.fixture(scope="module")
def folder(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("study")
    assert run_study(study_of(corpus), out, ScriptedEngine()) == {"done": 2}
    return out


def plain_nats(folder: Path, part: np.ndarray, eos: int, streams: int) -> dict[int, float]:
    """Of the first 20 words of each stream, by their places, step by step in float64."""
    nats: dict[int, float] = {}
    with scope("float64"):
        network = cast(load_run(folder).restarts[0].network, "float64")
        for number in range(streams):
            first = number * len(part) // streams
            state, before = network.init(1, None), eos
            for place in range(first, first + 20):
                state = network.step(state, jnp.array([before]))
                logits = network.logits(state.hidden)[0]
                nats[place] = -float(jax.nn.log_softmax(logits)[part[place]])
                before = int(part[place])
    return nats


def test_nats_of_every_word_are_beside_the_checkpoint(folder: Path, corpus: Path) -> None:
    text = read_corpus(corpus)
    for run in load_results(folder).runs:
        items = load_items(items_path(folder / run.folder, run.restart))
        assert items.record["run"] == run.id and items.record["best_epoch"] == run.best_epoch
        assert items.record["protocol"]["streams"] == 3
        for name in ("validation", "test"):
            nats, ones = items.scores["float32"][name]["perplexity"]
            assert np.all(ones == 1)
            total = run.scores["float32"][name].whole["perplexity"]
            assert (len(nats), nats.sum()) == (total.denominator, pytest.approx(total.numerator))
    for place, expected in plain_nats(folder / run.folder, text.test, text.eos, streams=3).items():
        assert nats[place] == pytest.approx(expected, rel=2e-5)


def test_sums_by_partition_are_those_of_the_words(folder: Path, corpus: Path) -> None:
    """Of every run and of a baseline, against loops over words."""
    text, tables = read_corpus(corpus), load_tables(folder)
    counts = np.bincount(text.train)
    words: list[dict[str, str]] = []
    sentence, position = 1, 0
    for token in text.test:
        position += 1
        names = {33: "33–", 17: "17–32", 9: "9–16", 5: "5–8", 3: "3–4"}
        low = next(low for low in (33, 17, 9, 5, 3, 2, 1) if position >= low)
        words.append(
            {
                "sentence": str(sentence),
                "position": names.get(low, str(low)),
                "frequency": str(len(str(counts[token]))),
            }
        )
        if token == text.eos:
            sentence, position = sentence + 1, 0
    digits = {"1–9": "1", "10–99": "2", "100–": "3"}
    run = load_results(folder).runs[0]
    nats = load_items(items_path(folder / run.folder, 0)).scores["float32"]["test"]["perplexity"][0]
    baseline = fit_baselines(text)["kneser-ney-5"](text.test)
    for table, column, owner, values in (
        (tables.partition_scores, "run", run.id, nats),
        (tables.partition_references, "predictor", "kneser-ney-5", baseline),
    ):
        found = {
            (row["partition"], digits.get(row["group"], row["group"])): row
            for row in table.to_pylist()
            if row[column] == owner and row["set"] == "test"
        }
        for kind in ("sentence", "position", "frequency"):
            groups: dict[str, list[float]] = defaultdict(list)
            for word, value in zip(words, values, strict=True):
                groups[word[kind]].append(float(value))
            ours = {group for of_kind, group in found if of_kind == kind}
            assert ours == groups.keys()
            for group, members in groups.items():
                row = found[kind, group]
                assert row["numerator"] == pytest.approx(math.fsum(members), rel=1e-6)
                assert row["denominator"] == len(members)
        segments = [row for (kind, _), row in found.items() if kind == "segment"]
        assert sum(row["numerator"] for row in segments) == pytest.approx(values.sum(), rel=1e-6)


def test_a_worker_that_dies_before_it_has_kept_them_is_made_up_for(
    folder: Path, corpus: Path, tmp_path: Path
) -> None:
    """The checkpoint says that the run is trained, the ledger and the file do not know of it."""
    shutil.copytree(folder, tmp_path / "study")
    out = tmp_path / "study"
    run = load_results(out).runs[0]
    path = items_path(out / run.folder, run.restart)
    before = path.read_bytes()
    path.unlink()
    with Ledger(out) as ledger, ledger.writing():
        ledger.execute("UPDATE runs SET status = 'running' WHERE id = ?", [run.id])
        ledger.execute("DELETE FROM partition_scores WHERE run = ?", [run.id])
    assert run_study(study_of(corpus), out, ScriptedEngine()) == {"done": 2}
    assert path.read_bytes() == before
    assert load_tables(out).partition_scores == load_tables(folder).partition_scores


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_an_export_has_all_sums(folder: Path, tmp_path: Path, suffix: str) -> None:
    export(folder, tmp_path, [suffix])
    for name in ("partition_scores", "partition_references"):
        ours, theirs = getattr(load_tables(tmp_path), name), getattr(load_tables(folder), name)
        assert ours.num_rows and ours == theirs


def test_a_compact_export_has_the_sentences_of_the_last_set_rounded(
    folder: Path, tmp_path: Path, corpus: Path
) -> None:
    export(folder, tmp_path, ["parquet"], compact=True)
    for name in ("partition_scores", "partition_references"):
        whole = {
            tuple(row[key] for key in row if key not in ("numerator", "denominator")): row
            for row in getattr(load_tables(folder), name).to_pylist()
        }
        left = [key for key, row in whole.items()
                if (row["partition"], row["set"]) == ("sentence", "validation")]  # fmt: skip
        kept = getattr(load_tables(tmp_path), name).to_pylist()
        assert len(kept) == len(whole) - len(left) and len(left) % SENTENCES["valid"] == 0
        for row in kept:
            key = tuple(row[one] for one in row if one not in ("numerator", "denominator"))
            bound = 2.0**-12 * (row["partition"] == "sentence")
            assert row["numerator"] == pytest.approx(whole[key]["numerator"], rel=bound, abs=0)
            assert row["denominator"] == whole[key]["denominator"]
    assert any("200 groups are rounded to 12 bits" in note for note in load_results(tmp_path).notes)
    taken = tmp_path / "taken"
    run_study(study_of(corpus), taken, ScriptedEngine(no_job), import_results=[tmp_path])
    assert load_tables(taken).partition_scores == load_tables(tmp_path).partition_scores
    assert load_tables(taken).partition_references == load_tables(tmp_path).partition_references


def no_job(job):
    raise AssertionError("a finished run was given to a worker")
    yield


def test_strings_keep_no_items(undisturbed: Path, tmp_path: Path) -> None:
    assert not list(undisturbed.glob("runs/*/*/items-*"))
    assert load_tables(undisturbed).partition_scores.num_rows == 0
    assert not [path for path in export(undisturbed, tmp_path) if "partition" in path.name]


def test_a_ledger_and_an_export_from_before_are_read(undisturbed: Path, tmp_path: Path) -> None:
    shutil.copytree(undisturbed, tmp_path / "study")
    with Ledger(tmp_path / "study") as ledger, ledger.writing():
        ledger.execute("DROP TABLE partition_scores")
        ledger.execute("DROP TABLE partition_references")
    assert load_tables(tmp_path / "study").partition_scores.num_rows == 0
    assert load_results(tmp_path / "study") == load_results(undisturbed)


def test_what_holds_no_items_is_refused(folder: Path, tmp_path: Path) -> None:
    run = load_results(folder).runs[0]
    with pytest.raises(MemrnnError, match="holds no scores of items"):
        load_items(folder / run.folder / "restart-000.safetensors")
    scores = {"float32": {"a/b": {"nats": (np.array([0.5, 2.0]), np.array([1.0, 3.0]))}}}
    save_items(tmp_path / "items", scores, {"run": "x"})
    numerators, denominators = load_items(tmp_path / "items").scores["float32"]["a/b"]["nats"]
    assert numerators.tolist() == [0.5, 2.0] and denominators.tolist() == [1.0, 3.0]
