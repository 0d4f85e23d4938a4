"""The commands about text: `memrnn text ...`."""

import dataclasses
import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
import tyro
from rich.console import Console

from memrnn.errors import MemrnnError
from memrnn.evaluation import (
    TokenComparison,
    baseline_nats,
    compare_tokens,
    text_of,
    token_nats,
)
from memrnn.runtime.checkpoints import write_output
from memrnn.runtime.formats import decimal, paired
from memrnn.runtime.options import to_json
from memrnn.runtime.printing import print_json, print_rows, print_text, say
from memrnn.text import PARTS, Corpus, fit_baselines, read_corpus
from memrnn.training import Run, load_run


@dataclasses.dataclass(frozen=True)
class CorpusOptions:
    """A corpus, and how its vocabulary is made.

    Attributes:
        corpus: a folder with a file each for train, valid and test, or a corpus that ships: kjv,
            kjv-small.
        least_count: words that occur fewer times in the training file become <unk>; by default 1,
            and 2 for what ships.
        largest_size: of the vocabulary, <unk> and <eos> included; by default any.
    """

    corpus: tyro.conf.Positional[str]
    least_count: int | None = None
    largest_size: int | None = None

    def read(self) -> Corpus:
        return read_corpus(
            self.corpus, least_count=self.least_count, largest_size=self.largest_size
        )


def prepare_command(
    chosen: Annotated[CorpusOptions, tyro.conf.arg(name="")], json: bool = False
) -> None:
    """Checks a folder of three tokenised files, and prints what it is; writes nothing.

    Args:
        chosen: the corpus.
        json: print JSON instead of a table.
    """
    read = chosen.read()
    about = read.about
    if json:
        print_json(to_json(about) | {"digest": read.digest})
        return
    console = Console()
    say(console, _title(read))
    say(console, f"licence: {about.licence or 'not known'}")
    print_rows(
        [
            {
                "part": part,
                **dataclasses.asdict(counts),
                "unknown share": f"{counts.unknown_share:.2%}",
            }
            for part, counts in about.counts.items()
        ]
    )
    for name, digest in about.digests.items():
        say(console, f"SHA-256 of {name}: {digest}")
    for remark in about.remarks:
        say(console, remark)


def baselines_command(
    chosen: Annotated[CorpusOptions, tyro.conf.arg(name="")], json: bool = False
) -> None:
    """Fits n-gram models on a corpus and prints their perplexities on validation and test.

    Args:
        chosen: the corpus.
        json: print JSON instead of a table.
    """
    read = chosen.read()
    results: dict[str, dict[str, dict[str, Any]]] = {}
    for name, baseline in fit_baselines(read).items():
        results[name] = {}
        for part in PARTS[1:]:
            nats = baseline(read.part(part))
            total = float(nats.sum())
            results[name][part] = {
                "nats": total,
                "tokens": len(nats),
                "perplexity": math.exp(total / len(nats)),
            }
    if json:
        print_json({"corpus": to_json(read.about), "baselines": results})
        return
    console = Console()
    say(console, f"{_title(read)}: perplexity")
    print_rows(
        [
            {"baseline": name, **{part: decimal(one["perplexity"]) for part, one in parts.items()}}
            for name, parts in results.items()
        ]
    )
    for remark in read.about.remarks:
        say(console, remark)


class _Predictor(NamedTuple):
    """What is compared: its nats of every word, what it is called, and the same as JSON."""

    nats: np.ndarray
    name: str
    about: dict[str, Any]


def compare_command(
    first: tyro.conf.Positional[Path],
    second: tyro.conf.Positional[str],
    set: str = "test",
    evaluation_streams: int | None = None,
    restart: int | None = None,
    second_restart: int | None = None,
    out: Path | None = None,
    json: bool = False,
) -> None:
    """Compares two runs on the same words, or a run and a baseline.

    Args:
        first: folder of a run on a text.
        second: folder of another run on the same text, or a baseline: unigram, kneser-ney-3,
            kneser-ney-5, modified-kneser-ney-5.
        set: validation or test.
        evaluation_streams: side by side in evaluation, of both; by default those that they were
            trained with.
        restart: number of the restart, in both folders; by default the one that validation chooses
            in each.
        second_restart: the same in the second folder, where it is another one.
        out: file (.npz) for the nats of every word of both.
        json: print JSON instead of a table.
    """
    run = load_run(first)
    task = text_of(run)
    if evaluation_streams is not None:
        task = dataclasses.replace(task, evaluation_streams=evaluation_streams)
    corpus = task.text
    one = _trained(first, run, set, restart, evaluation_streams)
    if Path(second).is_dir():
        other_run = load_run(second)
        other_task = text_of(other_run)
        if other_task.text.digest != corpus.digest:
            raise MemrnnError(f"{first} and {second} were trained on different texts.")
        streams = other_task.evaluation_streams
        if evaluation_streams is None and streams != task.evaluation_streams:
            raise MemrnnError(
                f"{first} is evaluated in {task.evaluation_streams} streams and {second} in "
                f"{streams}: words have other beginnings, so that they cannot be compared. "
                "--evaluation-streams N evaluates both in N."
            )
        number = restart if second_restart is None else second_restart
        other = _trained(Path(second), other_run, set, number, evaluation_streams)
    else:
        nats = baseline_nats(corpus, second, set)
        if second_restart is not None:
            raise MemrnnError(f"{second} is a baseline, which has no restarts.")
        other = _Predictor(nats, second, {"baseline": second})
    for note in task.notes:
        say(Console(stderr=True), note)
    found = compare_tokens(corpus, set, one.nats, other.nats)
    if out is not None:
        buffer = io.BytesIO()
        np.savez_compressed(
            buffer, first=one.nats.astype(np.float32), second=other.nats.astype(np.float32)
        )
        write_output(out, buffer.getvalue())
    if json:
        print_json({"set": set, "protocol": dict(task.protocol)} | _as_json((one, other), found))
        return
    console = Console()
    say(console, f"{_title(corpus)}: {set}, {found.difference.tokens:,} words")
    print_text(f"protocol: {paired(task.protocol)}", console)
    say_comparison(console, (one.name, other.name), found)
    for kind, groups in found.groups.items():
        print_text("", console)
        print_rows(
            [
                {
                    kind: name,
                    "words": words,
                    "first": f"{a:.3f}",
                    "second": f"{b:.3f}",
                    "difference": f"{a - b:+.3f}",
                }
                for name, (a, b, words) in groups.items()
            ]
        )


def _trained(
    folder: Path, run: Run, set_name: str, restart: int | None, streams: int | None
) -> _Predictor:
    """A restart of a run. Runs with other options have one label, so the folder is named, too."""
    number, label = run.restart(restart).number, run.experiment.label
    return _Predictor(
        token_nats(run, set_name, restart=number, evaluation_streams=streams),
        f"{label}, restart {number} of {folder}",
        {"folder": str(folder), "experiment": label, "restart": number},
    )


def _as_json(predictors: Sequence[_Predictor], found: TokenComparison) -> dict[str, Any]:
    """Both predictors, their difference and its groups, all numbers with names."""
    both = zip(("first", "second"), predictors, found.perplexities, strict=True)
    groups = {
        kind: {
            name: {"words": words, "first": one, "second": other}
            for name, (one, other, words) in members.items()
        }
        for kind, members in found.groups.items()
    }
    return {
        **{name: one.about | {"perplexity": perplexity} for name, one, perplexity in both},
        "difference": found.difference._asdict(),
        "groups": groups,
    }


def say_comparison(console: Console, names: tuple[str, str], found: TokenComparison) -> None:
    """Prints two perplexities and their difference."""
    for name, perplexity in zip(names, found.perplexities, strict=True):
        say(console, f"perplexity {perplexity:.2f}: {name}")
    difference = found.difference
    low, high = difference.ratio_interval
    for line in (
        f"difference {difference.nats:+.4f} nats per word ({difference.low:+.4f} to "
        f"{difference.high:+.4f}), ratio {difference.ratio:.4f} ({low:.4f} to {high:.4f})",
        f"Intervals of 95 %, paired bootstrap over {difference.sentences:,} sentences. Restarts "
        "differ, too; this is about two networks.",
    ):
        print_text(line, console)


def _title(corpus: Corpus) -> str:
    return f"{corpus.about.title}, {corpus.size:,} words"


TEXT_COMMANDS = {
    "prepare": prepare_command,
    "baselines": baselines_command,
    "compare": compare_command,
}
