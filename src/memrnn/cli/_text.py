"""The commands about text: `memrnn text ...`."""

import dataclasses
import math
from typing import Any

import tyro
from rich.console import Console

from memrnn.runtime.formats import decimal
from memrnn.runtime.options import to_json
from memrnn.runtime.printing import print_json, print_rows, say
from memrnn.text import PARTS, Corpus, fit_baselines, read_corpus


def prepare_command(
    corpus: tyro.conf.Positional[str],
    least_count: int | None = None,
    largest_size: int | None = None,
    json: bool = False,
) -> None:
    """Checks a folder of three tokenised files, and prints what it is; writes nothing.

    Args:
        corpus: a folder with a file each for train, valid and test, or a corpus that ships: kjv,
            kjv-small.
        least_count: words that occur fewer times in the training file become <unk>; by default 1,
            and 2 for what ships.
        largest_size: of the vocabulary, <unk> and <eos> included; by default any.
        json: print JSON instead of a table.
    """
    read = read_corpus(corpus, least_count=least_count, largest_size=largest_size)
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
    corpus: tyro.conf.Positional[str],
    least_count: int | None = None,
    largest_size: int | None = None,
    json: bool = False,
) -> None:
    """Fits n-gram models on a corpus and prints their perplexities on validation and test.

    Args:
        corpus: a folder with a file each for train, valid and test, or a corpus that ships: kjv,
            kjv-small.
        least_count: words that occur fewer times in the training file become <unk>; by default 1,
            and 2 for what ships.
        largest_size: of the vocabulary, <unk> and <eos> included; by default any.
        json: print JSON instead of a table.
    """
    read = read_corpus(corpus, least_count=least_count, largest_size=largest_size)
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


def _title(corpus: Corpus) -> str:
    return f"{corpus.about.title}, {corpus.size:,} words"


TEXT_COMMANDS = {"prepare": prepare_command, "baselines": baselines_command}
