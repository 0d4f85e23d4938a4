"""Two texts of one size: runs of one are kept apart from those of the other."""

from pathlib import Path

import numpy as np
import pytest
from small_corpora import write

import memrnn
from memrnn import Experiment, TrainingConfig
from memrnn.cli import main
from memrnn.tasks.text import Text
from memrnn.training import Pack, Restart, load_run, pack_key

LINES = ["the cat sat on the mat", "the dog sat", "a cat and a dog ran", "the mat ran on a dog"]


def corpus(folder: Path, *, reversed_lines: bool = False) -> Path:
    """The two orders of words have equal counts, so that shapes agree."""
    order = -1 if reversed_lines else 1
    lines = [" ".join(line.split()[::order]) + "\n" for line in LINES]
    return write(folder, "".join(lines * 5), "".join(lines[1:]), "".join(lines[:2]))


def experiment(folder: Path | str, epochs: int = 2) -> Experiment:
    task = Text(str(folder), streams=3, segment=4, evaluation_streams=2)
    return Experiment(task, "lstm-5", config=TrainingConfig(max_epochs=epochs))


def test_restarts_on_two_texts_do_not_share_a_pack(tmp_path: Path) -> None:
    one = Restart(experiment(corpus(tmp_path / "c")), 0)
    again = Restart(experiment(tmp_path / "c"), 1)
    other = Restart(experiment(corpus(tmp_path / "d", reversed_lines=True)), 0)
    assert pack_key(one) == pack_key(again) != pack_key(other)
    pack = Pack(one, 2)
    assert pack.admits(again) and not pack.admits(other)


def test_how_the_folder_is_written_does_not_matter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus(tmp_path / "c")
    monkeypatch.chdir(tmp_path)
    paths = ("c", "./c", "c/", str(tmp_path / "c"), "../" + tmp_path.name + "/c")
    found = [experiment(path) for path in paths]
    assert all(one.identity() == found[0].identity() for one in found)
    assert len({Restart(one, 0).seed for one in found}) == 1
    memrnn.train(experiment("c", 1), tmp_path / "run", restarts=1)
    memrnn.train(experiment(tmp_path / "c", 2), tmp_path / "run", restarts=1)
    assert load_run(tmp_path / "run").restarts[0].progress.epochs == 2
    monkeypatch.chdir(tmp_path / "c")
    with pytest.raises(memrnn.MemrnnError, match=r"no folder c, as seen from .*; corpora that"):
        _ = found[0].task.title


def test_a_text_that_has_changed_is_named(tmp_path: Path) -> None:
    folder = corpus(tmp_path / "c")
    memrnn.train(experiment(folder, 1), tmp_path / "run", restarts=1)
    with (folder / "valid.txt").open("a") as file:
        file.write("the dog sat\n")
    with pytest.raises(memrnn.MemrnnError, match=r"differ in task\.text\."):
        load_run(tmp_path / "run")


def test_evaluate_takes_flags_before_the_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = str(tmp_path / "run")
    memrnn.train(experiment(corpus(tmp_path / "c"), 1), tmp_path / "run", restarts=1)
    printed: list[str] = []
    for words in ([run, "--evaluation-streams", "1"], ["--evaluation-streams", "1", run]):
        main(["evaluate", *words, "--json"])
        printed.append(capsys.readouterr().out)
    assert printed[0] == printed[1] and '"streams": 1' in printed[0]


def test_remarks_on_a_corpus_stand_beside_its_scores(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ("ptb.train.txt", "ptb.valid.txt", "ptb.test.txt")
    folder = write(tmp_path / "c", "the cat sat\n" * 9, "the cat\n", "the\n", names)
    words = ("--streams", "2", "--segment", "3", "--evaluation-streams", "1", "--max-epochs", "1")
    run = str(tmp_path / "run")
    main(["train", "--text", str(folder), "--model", "lstm-3", *words, "--out", run])
    assert "not comparable with published ones" in " ".join(capsys.readouterr().err.split())
    main(["evaluate", run])
    told = " ".join(capsys.readouterr().err.split())
    assert "not comparable with published ones" in told and "streams of" not in told
    main(["evaluate", run, "--evaluation-streams", "2"])
    assert "2 streams of 1 words or more" in " ".join(capsys.readouterr().err.split())


def test_the_first_prediction_of_a_sentence_is_not_scored(tmp_path: Path) -> None:
    from memrnn.explain import explain

    task = experiment(corpus(tmp_path / "c")).task
    tokens = task.encode("the cat sat")
    network = task.build(memrnn.get_model("lstm-5+jm-2:depth_limit=3"), 0)
    found = explain(network, tokens, task.targets(tokens), task.scored_from)
    nats = -np.log(found.probability[1:])
    assert found.perplexity == pytest.approx(float(np.exp(nats.mean())))
    assert len(found.scored) == len(tokens) and found.to_json(task.labels)["scored_from"] == 1
