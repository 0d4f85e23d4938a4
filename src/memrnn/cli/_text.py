"""The commands about text: `memrnn text ...`."""

import dataclasses
import io
import math
from pathlib import Path
from typing import Annotated, Any

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
from memrnn.runtime.printing import print_json, print_rows, say
from memrnn.text import PARTS, Corpus, fit_baselines, read_corpus
from memrnn.training import load_run


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


def compare_command(
    first: tyro.conf.Positional[Path],
    second: tyro.conf.Positional[str],
    set: str = "test",
    out: Path | None = None,
    json: bool = False,
) -> None:
    """Compares two runs on the same words, or a run and a baseline; best restarts by validation.

    Args:
        first: folder of a run on a text.
        second: folder of another run on the same text, or a baseline: unigram, kneser-ney-3,
            kneser-ney-5, modified-kneser-ney-5.
        set: validation or test.
        out: file (.npz) for the nats of every word of both.
        json: print JSON instead of a table.
    """
    run = load_run(first)
    task = text_of(run)
    corpus, one, protocol = task.text, token_nats(run, set), task.protocol
    if Path(second).is_dir():
        other_run = load_run(second)
        other_task = text_of(other_run)
        if other_task.text.digest != corpus.digest:
            raise MemrnnError(f"{first} and {second} were trained on different texts.")
        if other_task.evaluation_streams != task.evaluation_streams:
            raise MemrnnError(
                f"{first} is evaluated in {task.evaluation_streams} streams and {second} in "
                f"{other_task.evaluation_streams}: words have other beginnings, so that they "
                "cannot be compared."
            )
        other, other_name = token_nats(other_run, set), other_run.experiment.label
    else:
        other, other_name = baseline_nats(corpus, second, set), second
    found = compare_tokens(corpus, set, one, other)
    if out is not None:
        buffer = io.BytesIO()
        np.savez_compressed(buffer, first=one.astype(np.float32), second=other.astype(np.float32))
        write_output(out, buffer.getvalue())
    difference = found.difference
    if json:
        values = {"set": set, "first": str(first), "second": second, **found._asdict()}
        values |= {"difference": difference._asdict(), "protocol": dict(protocol)}
        print_json(values)
        return
    console = Console()
    say(console, f"{_title(corpus)}: {set}, {difference.tokens:,} words")
    say(console, f"protocol: {paired(protocol)}")
    say_comparison(console, (run.experiment.label, other_name), found)
    for kind, groups in found.groups.items():
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


def say_comparison(console: Console, names: tuple[str, str], found: TokenComparison) -> None:
    """Prints two perplexities and their difference."""
    for name, perplexity in zip(names, found.perplexities, strict=True):
        say(console, f"perplexity {perplexity:.2f}: {name}")
    difference = found.difference
    low, high = difference.ratio_interval
    say(
        console,
        f"difference {difference.nats:+.4f} nats per word ({difference.low:+.4f} to "
        f"{difference.high:+.4f}, 95 %, paired bootstrap over {difference.sentences:,} sentences); "
        f"ratio {difference.ratio:.4f} ({low:.4f} to {high:.4f}). Restarts differ, too; this is "
        "about two networks.",
    )


def _title(corpus: Corpus) -> str:
    return f"{corpus.about.title}, {corpus.size:,} words"


TEXT_COMMANDS = {
    "prepare": prepare_command,
    "baselines": baselines_command,
    "compare": compare_command,
}
