"""Does what a page of the docs tells its reader to do: python docs_commands.py PAGE [--short].

A block of code with a title is a file to write; a block of `bash` holds commands of memrnn and of
Python, which run in this process one after another, in the current folder. Other blocks are shown
only. With --short training is cut down to what shows that a command is right.
"""

import re
import runpy
import shlex
import sys
from pathlib import Path

from memrnn import cli

BLOCK = re.compile(r'^```(\w+)(?: title="([^"]+)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)
SHORT = [
    (re.compile(r"(--max-epochs |max_epochs = )\d+"), r"\g<1>1"),
    (re.compile(r"(--batches |batches = )\d+"), r"\g<1>2"),
    (re.compile(r"(--restarts |restarts = )\d+"), r"\g<1>1"),
]


def commands(text: str) -> list[list[str]]:
    """The lines of a block, continued ones joined, as lists of words without comments."""
    lines = text.replace("\\\n", " ").splitlines()
    return [words for line in lines if (words := shlex.split(line, comments=True))]


def run(words: list[str]) -> None:
    print("$", *words, flush=True)
    program, *arguments = words
    if program == "python":
        runpy.run_path(arguments[0], run_name="__main__")
        return
    assert program == "memrnn", f"a page may run memrnn and python, not {program}"
    status = None
    try:
        cli.main(arguments)
    except SystemExit as exit:
        status = exit.code
    assert not status, f"{shlex.join(words)}: status {status}"


def follow(page: Path, short: bool) -> None:
    text = page.read_text(encoding="utf-8")
    for pattern, replacement in SHORT if short else []:
        text = pattern.sub(replacement, text)
    for kind, title, body in BLOCK.findall(text):
        if title:
            Path(title).write_text(body, encoding="utf-8")
        elif kind == "bash":
            for words in commands(body):
                run(words)


if __name__ == "__main__":
    follow(Path(sys.argv[1]), "--short" in sys.argv[2:])
