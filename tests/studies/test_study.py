import dataclasses
import json
from pathlib import Path

import pytest
from small_studies import small_study

from memrnn.experiment import Recipe
from memrnn.studies import Study, load_study, plan, shipped_studies

FILE = """
languages = ["count-3", "marked-copy"]
models = ["lstm", "jm-3"]
freezes = ["none", "controller+memory"]
restarts = 3
bins = [[40, 60]]

[recipe]
epochs = 2
"""


def test_a_file_says_what_it_says(tmp_path: Path) -> None:
    path = tmp_path / "study.toml"
    path.write_text(FILE)
    study = load_study(path)
    assert study.freezes == ("none", "controller+memory")
    assert study.recipe == Recipe(epochs=2), "what it does not say is the paper's"
    cells = list(study.cells())
    assert [(c.language, c.model, c.freeze) for c in cells][:3] == [
        ("count-3", "lstm", ()),
        ("count-3", "lstm", ("controller", "memory")),
        ("count-3", "jm-3", ()),
    ]
    assert Study.from_json(json.loads(json.dumps(study.to_json()))) == study


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ("nonsense = 1", "no key 'nonsense'; its keys are languages"),
        ("restarts = 'x'", "Expected `int`, got `str` in `restarts`"),
        ("restarts = 0", "restarts is 0, but must be at least 1"),
        ("models = []", "models is empty"),
        ("models = ['lstm', 'lstm']", "models names something twice"),
        ("models = ['lstn']", "There is no model 'lstn'"),
        ("freezes = ['stack']", "Cannot freeze stack"),
        ("freezes = ['memory+controller', 'controller+memory']", "names a mode twice"),
        ("bins = [[2, 1]]", "shorter length is first"),
        ("bins = [[40, 41]]\nlanguages = ['count-3']", "no string with a length from 40 to 41"),
        ("precisions = ['float8']", "float8"),
        ("time_limit = 0", "time_limit is 0"),
        ("imports = ['no_such_file.py']", "there is no file"),
        ("imports = ['no_such_module']", "there is no module no_such_module"),
        ("languages = 3", "Expected `array`, got `int` in `languages`"),
        ("languages = [", "is not TOML"),
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


def test_a_wrong_recipe_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "study.toml"
    path.write_text(FILE.replace("epochs", "epoch"))
    with pytest.raises(ValueError, match=r"\[recipe\] has no key 'epoch'"):
        load_study(path)
    path.write_text(FILE.replace("epochs = 2", "epochs = 0"))
    with pytest.raises(ValueError, match=r"epochs is 0, but must be at least 1\.$"):
        load_study(path)
    path.write_text("models = ['lstm']")
    with pytest.raises(ValueError, match="needs a value for languages"):
        load_study(path)
    with pytest.raises(ValueError, match="ships only paper-small, paper, smoke"):
        load_study("papers")


def test_ids_follow_from_all_that_matters_and_nothing_else() -> None:
    def ids(study: Study) -> set[str]:
        return {run.id for pack in plan(study) for run in pack}

    study = small_study()
    first = ids(study)
    assert len(first) == 4
    assert ids(small_study(restarts=3)) > first, "more restarts keep those that there were"
    for same in (
        {"bins": [[3, 6]]},
        {"precisions": ["float64"]},
        {"time_limit": 3.0},
        {"strings_per_length": 7},
    ):
        assert ids(small_study(**same)) == first
    for other in (
        {"seed": 1},
        {"recipe": {"epochs": 4}},
        {"recipe": {"learning_rate": [0.1, 0.2]}},
        {"freezes": ["memory"]},
        {"languages": ["marked-copy"], "bins": [[3, 9]]},
    ):
        assert not ids(small_study(**other)) & first


def test_packs_hold_one_cell_and_every_run_once() -> None:
    for restarts, epochs in ((1, 1), (100, 1), (100, 200), (7, 4000)):
        study = small_study(restarts=restarts, recipe={"epochs": epochs})
        packs = plan(study)
        assert all(len({run.experiment for run in pack}) == 1 for pack in packs)
        runs = [(run.experiment.label, run.restart) for pack in packs for run in pack]
        assert len(runs) == len(set(runs)) == 2 * restarts
    sizes = [len(pack) for pack in plan(small_study(restarts=100, recipe={"epochs": 1}))]
    assert max(sizes) > 1, "short runs share a compilation"
    assert len(sizes) >= 32, "yet there are enough packs to share among workers"
    long = plan(small_study(restarts=100, recipe={"epochs": 4000}))
    assert max(map(len, long)) == 1
    assert [pack[0].restart for pack in long[:4]] == [0, 0, 1, 1], "first restarts come first"


def test_the_studies_that_ship() -> None:
    sizes = {name: sum(map(len, plan(load_study(name)))) for name in shipped_studies()}
    assert sizes == {"smoke": 24, "paper-small": 336, "paper": 1400}
    paper, small = load_study("paper"), load_study("paper-small")
    assert paper.recipe == Recipe(), "the paper's recipe is the default"
    assert len({run.id for pack in plan(paper) for run in pack}) == 1400
    assert dataclasses.replace(small, models=paper.models, restarts=paper.restarts) == paper, (
        "the small one is a part of it"
    )


def test_models_of_ones_own_are_imported(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "import memrnn\nmemrnn.register_model('mine-3', memrnn.Model('elman', hidden_size=3))\n"
    )
    path = tmp_path / "study.toml"
    path.write_text(
        "languages = ['count-3']\nmodels = ['mine-3']\nimports = ['mine.py']\nbins = [[40, 60]]"
    )
    study = load_study(path)
    assert next(study.cells()).definition.hidden_size == 3
    assert study.imports == (str(tmp_path / "mine.py"),)
    assert load_study(path) == study, "importing twice does no harm"
