import dataclasses
import json
from pathlib import Path

import pytest
from small_studies import small_study

from memrnn.errors import MemrnnError
from memrnn.studies import Study, load_study, parse_study, plan, shipped_studies
from memrnn.tasks import Strings
from memrnn.tasks.text import Text
from memrnn.training import TrainingConfig

FILE = """
languages = ["count-3", "marked-copy"]
models = ["lstm", "jm-3"]
freeze = ["none", "controller+memory"]
restarts = 3

[strings]
length_bins = ["40:60"]

[config]
max_epochs = 2
"""

OWN_TASK = """
from dataclasses import dataclass
from memrnn import Strings, register_task

@register_task
@dataclass(frozen=True)
class Own(Strings):
    name = "{name}"
"""


def test_a_file_says_what_it_says(tmp_path: Path) -> None:
    path = tmp_path / "study.toml"
    path.write_text(FILE)
    study = load_study(path)
    assert study.tasks == ("strings:count-3", "strings:marked-copy")
    assert study.freeze == ("none", "controller+memory")
    assert study.config == TrainingConfig(max_epochs=2), "what it does not say is the paper's"
    cells = list(study.cells())
    assert cells[0].task == Strings("count-3", length_bins=((40, 60),))
    assert [(c.task.spec, c.model, c.freeze) for c in cells][:3] == [
        ("strings:count-3", "lstm", ()),
        ("strings:count-3", "lstm", ("controller", "memory")),
        ("strings:count-3", "jm-3", ()),
    ]
    assert Study.from_json(json.loads(json.dumps(study.to_json()))) == study


def test_short_and_long_forms_say_the_same() -> None:
    long = parse_study(
        {
            "tasks": ["strings:count-3", "strings:marked-copy"],
            "models": ["lstm"],
            "strings": {"train_lengths": [40, 60], "length_bins": [[40, 50], [60, 70]]},
            "config": {"learning_rate_range": [0.001, 0.01]},
        }
    )
    short = parse_study(
        {
            "languages": ["count-3", "marked-copy"],
            "models": ["lstm"],
            "strings": {"train_lengths": "40:60", "length_bins": ["40:50", "60:70"]},
            "config": {"learning_rate_range": "0.001:0.01"},
        }
    )
    assert list(short.cells()) == list(long.cells())
    assert short.config == long.config
    both = parse_study(
        {"tasks": ["strings:count-3"], "languages": ["marked-copy"], "models": ["lstm"]}
    )
    assert both.tasks == ("strings:count-3", "strings:marked-copy")


def test_a_preset_fills_in_what_a_file_does_not_say() -> None:
    grid = {"tasks": ["strings:count-3"], "models": ["lstm"], "preset": "stable"}
    preset = Strings.presets["stable"]
    study = parse_study(grid)
    assert study.config == TrainingConfig(**preset.config)
    (cell,) = study.cells()
    assert cell.task == Strings("count-3", **preset.options)
    changed = parse_study(
        {**grid, "config": {"max_epochs": 3}, "strings": {"train_lengths": "5:30"}}
    )
    assert changed.config == TrainingConfig(**{**preset.config, "max_epochs": 3})
    (cell,) = changed.cells()
    assert cell.task == Strings("count-3", **{**preset.options, "train_lengths": (5, 30)})
    plain = {"tasks": grid["tasks"], "models": grid["models"], "strings": {}}
    assert parse_study({**grid, "preset": "paper"}) == parse_study(plain)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (
            {"preset": "best"},
            "no preset 'best' for the task strings; there is paper, stable or stable-late",
        ),
        ({"preset": 3}, "There is no preset 3 for the task strings"),
        ({"preset": ["stable"]}, r"There is no preset \['stable'\] for the task strings"),
        ({"tasks": []}, "tasks is empty, but must name at least one"),
        ({"tasks": ["strings:count-3", "text:kjv-small"]}, "no preset 'stable' for the task text"),
        ({"preset": "strong"}, "There is no preset 'strong' for the task strings"),
        ({"config": 3}, r"\[config\] must be a table"),
        ({"strings": 3}, "Expected `object`, got `int`"),
    ],
)
def test_a_wrong_preset_is_one_sentence(change: dict, complaint: str) -> None:
    grid = {"tasks": ["strings:count-3"], "models": ["lstm"], "preset": "stable"}
    with pytest.raises(MemrnnError, match=complaint):
        parse_study({**grid, **change})


def test_a_study_is_made_without_importing(tmp_path: Path) -> None:
    """What a ledger holds is read where the imported files are no more."""
    values = {"tasks": ["gone:x"], "models": ["gone"], "imports": [str(tmp_path / "gone.py")]}
    study = Study.from_json(values)
    assert Study.from_json(study.to_json()) == study
    with pytest.raises(MemrnnError, match="There is no task 'gone'"):
        plan(study)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ("nonsense = 1", "no key 'nonsense'; its keys are tasks, models"),
        ("restarts = 'x'", "Expected `int`, got `str` in restarts"),
        ("restarts = 0", "restarts is 0, but must be at least 1"),
        ("models = []", "models is empty"),
        ("models = ['lstm', 'lstm']", "models names something twice"),
        ("models = ['lstm', 'lstm-20']", "lstm and lstm-20 are two names of one thing"),
        ("models = ['lstm+jm-10', 'jm-10']", "lstm+jm-10 and jm-10 are two names of one thing"),
        ("languages = ['marked-copy', 'marked-copy:k=2']", "are two names of one thing"),
        ("models = ['lstn']", "There is no model 'lstn'"),
        ("freeze = ['stack']", "Cannot freeze stack"),
        ("freeze = ['memory+controller', 'controller+memory']", "names a mode twice"),
        ("precisions = ['float8']", "float8"),
        ("precisions = ['e5m2', 'e05m2']", "precisions names something twice: e5m2, e5m2"),
        ("time_limit = 0", "time_limit is 0"),
        ("seed = -1", "seed is -1"),
        ("imports = ['no_such_file.py']", "there is no file"),
        ("imports = ['no_such_module']", "there is no module no_such_module"),
        ("languages = 3", "languages must be a list of strings"),
        ("languages = [", "is not TOML"),
        ("tasks = ['parsing:x']", "There is no task 'parsing'"),
        ("freezes = ['none']", "The key 'freezes' of version 0.1 is now freeze."),
        ("bins = [[40, 60]]", "The key 'bins' of version 0.1 is now length_bins in [strings]."),
        ("strings_per_length = 2", "is now samples_per_length in [strings]."),
    ],
)
def test_a_wrong_file_is_one_sentence(tmp_path: Path, change: str, complaint: str) -> None:
    path = tmp_path / "study.toml"
    keys = {line.split(" = ")[0] for line in change.splitlines()}
    lines = [line for line in FILE.splitlines() if line.split(" = ")[0] not in keys]
    path.write_text("\n".join([change, *lines]))
    with pytest.raises(ValueError) as raised:
        load_study(path)
    assert complaint in str(raised.value)
    assert str(path) in str(raised.value)


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("max_epochs", "max_epoch", r"\[config\] has no key 'max_epoch'"),
        ("max_epochs = 2", "max_epochs = -1", r"max_epochs is -1, but must be at least 0\.$"),
        ("max_epochs = 2", "max_epochs = 'x'", r"\[config\]: Expected `int`, got `str`"),
        ("max_epochs", "epochs", "The key 'epochs' of version 0.1 is now max_epochs"),
        ("max_epochs", "clip", "The key 'clip' of version 0.1 is now max_grad_norm"),
        ("max_epochs = 2", "learning_rate_range = '1'", "'1' is not a range; write LOW:HIGH"),
        ("[config]", "[recipe]", r"The key 'recipe' of version 0.1 is now \[config\]"),
        ("length_bins", "bins", r"\[strings\] has no key 'bins'; its keys are .*length_bins"),
        ("40:60", "60:40", "The range 60:40 is empty"),
        ("40:60", "40:41", "no string with a length from 40 to 41"),
        ("[strings]", "[parsing]", "A study has no key 'parsing'"),
        ("languages", "#", "A study needs a value for tasks, or for languages"),
    ],
)
def test_a_wrong_table_is_one_sentence(tmp_path: Path, old: str, new: str, complaint: str) -> None:
    path = tmp_path / "study.toml"
    path.write_text(FILE.replace(old, new))
    with pytest.raises(MemrnnError, match=complaint):
        load_study(path)


def test_what_is_no_study_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(
        MemrnnError, match="ships only decisive-rns, decisive, demo-text, demo, paper-small, paper"
    ):
        load_study("papers")
    (tmp_path / "own.py").write_text(OWN_TASK.format(name="unused"))
    path = tmp_path / "study.toml"
    path.write_text("imports = ['own.py']\n" + FILE + "[unused]\nbatches = 3\n")
    with pytest.raises(
        MemrnnError, match=r"\[unused\] has options of a task that `tasks` does not"
    ):
        load_study(path)


def test_ids_follow_from_all_that_matters_and_nothing_else() -> None:
    def ids(study: Study) -> set[str]:
        return {run.id for job in plan(study) for run in job}

    study = small_study()
    first = ids(study)
    assert len(first) == 4
    assert ids(small_study(restarts=3)) > first, "more restarts keep those that there were"
    for same in (
        {"strings": {"length_bins": ["3:6"]}},
        {"precisions": ["float64"]},
        {"time_limit": 3.0},
        {"strings": {"samples_per_length": 7}},
        {"config": {"max_epochs": 4}},
    ):
        assert ids(small_study(**same)) == first
    for other in (
        {"seed": 1},
        {"config": {"lr_patience": 4}},
        {"config": {"learning_rate_range": [0.1, 0.2]}},
        {"strings": {"batches": 4}},
        {"freeze": ["memory"]},
        {"tasks": ["strings:marked-copy"], "strings": {"length_bins": ["3:9"]}},
    ):
        assert not ids(small_study(**other)) & first


def test_jobs_hold_one_cell_and_every_run_once() -> None:
    for restarts, epochs in ((1, 1), (100, 1), (100, 200), (7, 4000)):
        study = small_study(restarts=restarts, config={"max_epochs": epochs})
        jobs = plan(study)
        assert all(len({run.experiment for run in job}) == 1 for job in jobs)
        runs = [(run.experiment.label, run.restart) for job in jobs for run in job]
        assert len(runs) == len(set(runs)) == 2 * restarts
    sizes = [len(job) for job in plan(small_study(restarts=100, config={"max_epochs": 1}))]
    assert max(sizes) > 1, "short runs share a compilation"
    assert len(sizes) >= 32, "yet there are enough jobs to share among workers"
    long = plan(small_study(restarts=100, config={"max_epochs": 4000}))
    assert max(map(len, long)) == 1
    assert [job[0].restart for job in long[:4]] == [0, 0, 1, 1], "first restarts come first"


def test_blocks_come_first_and_then_the_first_restarts_of_all_cells() -> None:
    models, modes = ["lstm-4", "jm-3"], ["none", "memory"]
    first = [
        {"models": ["jm-3"], "freeze": modes, "restarts": 2},
        {"models": ["lstm-4"], "freeze": ["none"], "restarts": 3},
    ]
    study = small_study(models=models, freeze=modes, restarts=3, first=first)
    runs = [run for job in plan(study) for run in job]
    named = [(run.experiment.model, *(run.experiment.freeze or ("none",)), run.restart)
             for run in runs]  # fmt: skip
    assert named[:7] == [
        *(("jm-3", mode, restart) for restart in (0, 1) for mode in modes),
        *(("lstm-4", "none", restart) for restart in range(3)),
    ]
    left = [("lstm-4", "memory"), ("jm-3", "none"), ("jm-3", "memory")]
    assert named[7:] == [("lstm-4", "memory", 0), ("lstm-4", "memory", 1)] + [
        (*cell, 2) for cell in left
    ]
    assert {run.id for run in runs} == {
        run.id for job in plan(dataclasses.replace(study, first=())) for run in job
    }


def test_a_block_can_name_restarts() -> None:
    first = [{"models": ["lstm-4"], "freeze": ["none"], "restarts": [2, 0]}]
    study = small_study(models=["jm-3", "lstm-4"], restarts=3, first=first)
    named = [(run.experiment.model, run.restart) for job in plan(study) for run in job]
    assert named == [
        *(("lstm-4", 0), ("lstm-4", 2), ("jm-3", 0)),
        *(("jm-3", 1), ("lstm-4", 1), ("jm-3", 2)),
    ]


def test_a_cell_that_repeats_another_can_be_left_out() -> None:
    modes = ["none", "memory", "controller", "controller+memory"]
    study = small_study(models=["lstm-4", "jm-3"], freeze=modes, distinct_cells=True)
    cells = [(cell.model, cell.freeze) for cell in study.cells()]
    assert cells[:2] == [("lstm-4", ()), ("lstm-4", ("controller",))]
    assert len(cells) == 6, "of a network with a memory all modes are there"
    alone = small_study(models=["lstm-4"], freeze=["memory"], distinct_cells=True)
    assert [cell.freeze for cell in alone.cells()] == [("memory",)], "it repeats nothing there"


@pytest.mark.parametrize(
    ("block", "complaint"),
    [
        ({"models": ["gru"]}, "first names 'gru' in models; models of the study are jm-3, lstm-4"),
        ({"freeze": ["memory"]}, "first names 'memory' in freeze; freeze of the study are none"),
        ({"restarts": 3}, "first has restarts = 3, but must have 1 to 2, or a list of numbers"),
        ({"restarts": [0, 2]}, r"first has restarts = \(0, 2\), but must have 1 to 2"),
        ({"restarts": []}, r"first has restarts = \(\), but must have 1 to 2"),
    ],
)
def test_a_wrong_block_is_one_sentence(block: dict, complaint: str) -> None:
    with pytest.raises(MemrnnError, match=complaint):
        small_study(first=[{"models": ["jm-3"], "freeze": ["none"], "restarts": 1} | block])


def test_the_studies_that_ship() -> None:
    names = [name for name in shipped_studies() if name != "treebank"]
    sizes = {name: sum(map(len, plan(load_study(name)))) for name in names}
    assert sizes == {
        "demo": 54,
        "demo-text": 8,
        "smoke": 24,
        "paper-small": 336,
        "paper": 1400,
        "decisive": 576,
        "decisive-rns": 48,
        "stable": 250,
        "stable-40-80": 40,
        "stable-controllers": 140,
        "stable-early": 100,
        "stable-growing": 40,
        "stable-late": 100,
        "stable-late-40-80": 40,
        "stable-many": 40,
        "stable-early-40-80": 40,
        "stable-steady-40-80": 40,
        "stable-halves-40-80": 160,
        "stable-hard": 80,
        "stable-halves-quiet-40-80": 160,
        "stable-switch-40-80": 40,
        "stable-medium": 40,
        "stable-noisy": 40,
        "stable-narrow": 50,
        "stable-wide": 100,
        "stable-long": 40,
        "stable-quiet": 160,
        "stable-rns": 40,
    }
    paper, small = load_study("paper"), load_study("paper-small")
    assert paper.config == TrainingConfig(), "the paper's configuration is the default"
    assert paper.make_tasks() == [Strings(spec.partition(":")[2]) for spec in paper.tasks]
    assert len({run.id for job in plan(paper) for run in job}) == 1400
    assert dataclasses.replace(small, models=paper.models, restarts=paper.restarts) == paper, (
        "the small one is a part of it"
    )


def test_the_treebank_is_read_from_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(MemrnnError, match="There is no folder ptb"):
        load_study("treebank")
    (tmp_path / "ptb").mkdir()
    for number, name in enumerate(("train", "valid", "test")):
        (tmp_path / "ptb" / f"ptb.{name}.txt").write_text("a b <unk>\n" * (9 - number))
    study = load_study("treebank")
    runs = [run for job in plan(study) for run in job]
    assert len(runs) == 180, "an lstm has no memory to freeze"
    assert [(run.experiment.model, run.restart) for run in runs[:10]] == [
        ("lstm-256", restart) for restart in range(10)
    ]
    assert {run.experiment.freeze for run in runs[10:16]} == {(), ("memory",)}
    models = list(dict.fromkeys(run.experiment.model for run in runs))
    assert models[1:3] == ["lstm-256+jm-22:depth_limit=10", "lstm-256+rns-4-5:window=35"]
    paper = Text.presets["paper"].config
    assert dataclasses.replace(study.config, **paper) == study.config


def test_models_of_ones_own_are_imported(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "import memrnn\nmemrnn.register_model('mine-3', memrnn.Model('elman', hidden_size=3))\n"
    )
    path = tmp_path / "study.toml"
    path.write_text("languages = ['count-3']\nmodels = ['mine-3']\nimports = ['mine.py']\n")
    study = load_study(path)
    assert next(study.cells()).definition.hidden_size == 3
    assert study.imports == (str(tmp_path / "mine.py"),)
    assert load_study(path) == study, "importing twice does no harm"
