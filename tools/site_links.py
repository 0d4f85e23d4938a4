"""Links of the site that the Markdown files, as the repository shows them, do not need.

A hook of mkdocs (`mkdocs.yml`). Names of public objects become links to their place in the API
reference. Links to files of the repository outside docs/ become the names of the files, since the
site holds no copy of them.
"""

import posixpath
import re
from pathlib import Path
from typing import Any

DIRECTIVE = re.compile(r"^::: (\S+)$", re.MULTILINE)
LINK = re.compile(r"\[([^]]+)\]\((\.\./[^)\s]+)\)")
# Code in a heading, in a block or in a link is left as it is.
CODE = re.compile(
    r"(<(a|pre|h[1-6]|autoref)\b.*?</\2>)|<code>(\w+(?:\.\w+)*)(\(\))?</code>", re.DOTALL
)

names: dict[str, str] = {}


def on_pre_build(config: Any) -> None:
    """Reads the names of the public objects from the pages that show them."""
    names.clear()
    for page in sorted(Path(config.docs_dir, "api").glob("*.md")):
        for path in DIRECTIVE.findall(page.read_text()):
            short = path.rpartition(".")[2]
            names[path] = path
            # A single word in small letters, as `train`, may mean something else.
            if not short.islower() or "_" in short:
                names[short] = "" if short in names else path  # "" for a name of two objects


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Replaces links that leave docs/ by the name of the file in the repository."""
    folder = posixpath.dirname(page.file.src_uri)

    def replaced(link: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(folder, link[2]))
        if not target.startswith(".."):
            return link[0]
        path = target.removeprefix("../")
        return link[1] if path in link[1] else f"{link[1]} (`{path}` in the repository)"

    return LINK.sub(replaced, markdown)


def on_page_content(html: str, **_: Any) -> str:
    """Makes code that is the name of a public object a link to it."""

    def replaced(found: re.Match[str]) -> str:
        name = found[3] or ""
        if path := names.get(name):
            return f'<autoref identifier="{path}">{found[0]}</autoref>'
        owner, _, member = name.rpartition(".")
        if path := names.get(owner):  # a member that no page shows is no link
            return f'<autoref identifier="{path}.{member}" optional>{found[0]}</autoref>'
        return found[0]

    return CODE.sub(replaced, html)
