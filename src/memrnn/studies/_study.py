"""A study: a declared grid of languages, models, freezing modes and restarts, and its file."""

import dataclasses
import hashlib
import itertools
import json
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from memrnn.errors import MemrnnError
from memrnn.evaluation import BINS, Bin, make_test_sets
from memrnn.experiment import Experiment, Recipe
from memrnn.imports import import_files as import_all
from memrnn.parts import check_freeze
from memrnn.precision import check_precision

PACK_UPDATES = 20_000
"""Updates that make compiling negligible: a pack holds at least so many, if the study has them."""


LEAST_PACKS = 32
"""A study is cut into at least so many packs, if it has the runs, so that workers share evenly."""


@dataclass(frozen=True)
class Study:
    """Everything that a study's results depend on. The defaults are the paper's.

    Attributes:
        languages: names for `get_language`.
        models: names for `get_model`.
        freezes: freezing modes: `none`, or parts joined by `+`, as in `controller+memory`.
        restarts: training runs of each cell, numbered from 0.
        seed: from which every restart's own seed follows.
        recipe: everything about training that is not the network.
        bins: ranges of test lengths, both ends inclusive.
        precisions: number formats to test in.
        strings_per_length: test strings of each valid length in a bin.
        time_limit: seconds after which a run is ended and counts as failed; None for no limit.
        imports: files (from the study file's folder) or modules that register languages, memories
            and models of one's own; every worker imports them first.
    """

    languages: tuple[str, ...]
    models: tuple[str, ...]
    freezes: tuple[str, ...] = ("none",)
    restarts: int = 10
    seed: int = 0
    recipe: Recipe = field(default_factory=Recipe)
    bins: tuple[Bin, ...] = BINS
    precisions: tuple[str, ...] = ("float32",)
    strings_per_length: int = 10
    time_limit: float | None = None
    imports: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        import_all(self.imports)
        for name in ("languages", "models", "freezes", "bins", "precisions"):
            values = getattr(self, name)
            if not values:
                raise MemrnnError(f"{name} is empty, but must name at least one.")
            if len(set(values)) < len(values):
                raise MemrnnError(f"{name} names something twice: {', '.join(map(str, values))}.")
        if self.restarts < 1:
            raise MemrnnError(f"restarts is {self.restarts}, but must be at least 1.")
        if self.time_limit is not None and self.time_limit <= 0:
            raise MemrnnError(f"time_limit is {self.time_limit}, but must be positive.")
        for precision in self.precisions:
            check_precision(precision)
        parsed = [parse_freeze(text) for text in self.freezes]
        if len(set(parsed)) < len(parsed):
            raise MemrnnError(f"freezes names a mode twice: {', '.join(self.freezes)}.")
        for low, high in self.bins:
            if low > high:
                raise MemrnnError(f"The bin {low} to {high} is empty; the shorter length is first.")
        for language in self.languages:
            law = Experiment(language, self.models[0], (), self.recipe, self.seed).law
            make_test_sets(law, self.bins, self.strings_per_length)
        for model in self.models:
            Experiment(self.languages[0], model, (), self.recipe, self.seed)

    def cells(self) -> Iterator[Experiment]:
        """The experiments of the grid: languages, in them models, in them freezing modes."""
        freezes = [parse_freeze(text) for text in self.freezes]
        for cell in itertools.product(self.languages, self.models, freezes):
            yield Experiment(*cell, self.recipe, self.seed)

    def to_json(self) -> dict[str, Any]:
        return json.loads(json.dumps(dataclasses.asdict(self)))

    @staticmethod
    def from_json(values: dict[str, Any]) -> "Study":
        """The study that `to_json` wrote, or that a study file declares.

        Raises:
            MemrnnError: for an unknown key, a value of the wrong kind, or one that is not allowed.
        """
        _check_keys(values, Study, "a study")
        _check_keys(values.get("recipe", {}), Recipe, "[recipe]")
        try:
            return msgspec.convert(values, Study)
        except msgspec.ValidationError as error:
            said, _, where = str(error).partition(" - at `$.")
            # A sentence is one of ours and says what is wrong; msgspec's own need the place.
            raise MemrnnError(said if said.endswith(".") else f"{said} in `{where}.") from error


@dataclass(frozen=True)
class PlannedRun:
    """One restart of one cell, and the id under which the ledger knows it.

    The id is the hash of everything that the trained network depends on: what the languages and
    models are called and mean, what is frozen, the recipe, the seed and the restart's number.
    """

    experiment: Experiment
    restart: int

    @property
    def id(self) -> str:
        content = json.dumps([self.experiment.to_json(), self.restart], sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()[:12]

    @property
    def folder(self) -> str:
        """Where its checkpoint lies in the study's folder; `memrnn test` and `explain` read it."""
        cell = self.experiment
        name = f"{cell.language}_{cell.model}_{freeze_text(cell.freeze)}".replace(":", "_")
        return f"runs/{name}/{self.restart:03d}-{self.id}"


Pack = tuple[PlannedRun, ...]


def plan(study: Study) -> list[Pack]:
    """The runs of a study in packs: of each pack one cell, and only a few restarts.

    The first restarts of all cells come first, so that a study that ends early is a whole grid of
    fewer restarts. What a run gives does not depend on its pack.
    """
    updates = study.recipe.batches * study.recipe.epochs
    cells = list(study.cells())
    most = len(cells) * study.restarts // LEAST_PACKS
    size = max(1, min(-(-PACK_UPDATES // updates), most, study.restarts))
    return [
        tuple(
            PlannedRun(cell, number) for number in range(first, min(first + size, study.restarts))
        )
        for first in range(0, study.restarts, size)
        for cell in cells
    ]


def load_study(path: str | Path) -> Study:
    """Reads a study file, or a study that memrnn ships, by its name.

    Raises:
        MemrnnError: if it is no study; the message says what is allowed.
        OSError: if it cannot be read.
    """
    path = Path(path)
    if not path.suffix and not path.is_file():  # a folder can have a study's name
        path = shipped_study(str(path))
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise MemrnnError(f"{path} is not TOML: {error}.") from error
    imports = values.get("imports", [])
    if isinstance(imports, list):
        values["imports"] = [_resolve(entry, path.parent) for entry in imports]
    try:
        return Study.from_json(values)
    except MemrnnError as error:
        raise MemrnnError(f"{path}: {error}") from error


def shipped_studies() -> dict[str, Path]:
    """The study files that come with memrnn, by name."""
    folder = Path(__file__).parent / "shipped"
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}


def shipped_study(name: str) -> Path:
    """The file of a shipped study.

    Raises:
        MemrnnError: if there is none of this name.
    """
    known = shipped_studies()
    if name not in known:
        raise MemrnnError(
            f"There is no study file {name!r}, and memrnn ships only {', '.join(known)}."
        )
    return known[name]


def parse_freeze(text: str) -> tuple[str, ...]:
    """`controller+memory` as its parts, `none` as no part."""
    return () if text == "none" else check_freeze(text.split("+"))


def freeze_text(freeze: Sequence[str]) -> str:
    """The parts as `parse_freeze` reads them."""
    return "+".join(freeze) or "none"


def _resolve(entry: Any, folder: Path) -> Any:
    path_like = isinstance(entry, str) and entry.endswith(".py")
    return str((folder / entry).resolve()) if path_like else entry


def _check_keys(values: Any, kind: type, what: str) -> None:
    if not isinstance(values, dict):
        raise MemrnnError(f"{what} must be a table of keys and values.")
    known = [one.name for one in dataclasses.fields(kind)]
    if unknown := [key for key in values if key not in known]:
        raise MemrnnError(f"{what} has no key {unknown[0]!r}; its keys are {', '.join(known)}.")
    missing = [
        one.name
        for one in dataclasses.fields(kind)
        if one.default is dataclasses.MISSING
        and one.default_factory is dataclasses.MISSING
        and one.name not in values
    ]
    if missing:
        raise MemrnnError(f"{what} needs a value for {', '.join(missing)}.")
