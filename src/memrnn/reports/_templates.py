"""What every page is made with: templates that escape, and drawings as part of a page."""

import re

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from memrnn.runtime.formats import decimal, duration, listed

LARGEST = 1.8
"""Pixels that a point of a drawing becomes at most; in print it is 4/3."""


def template(name: str) -> Template:
    """A template by its file name; it writes numbers as the terminal does."""
    environment = Environment(
        loader=PackageLoader("memrnn.reports", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"listed": listed, "duration": duration, "decimal": decimal}
    return environment.get_template(name)


def inline(text: str, prefix: str, title: str, description: str) -> Markup:
    """An SVG drawing as part of a page: no ids or styles in common with the rest of it."""
    drawing = text[text.index("<svg") :]
    drawing = re.sub(r"\s*<metadata>.*?</metadata>", "", drawing, flags=re.DOTALL)
    drawing = re.sub(r"\s*<title>.*?</title>", "", drawing, count=1, flags=re.DOTALL)
    drawing = re.sub(r'\bid="([^"]+)"', rf'id="{prefix}-\1"', drawing)
    drawing = re.sub(r'="#([^"]+)"', rf'="#{prefix}-\1"', drawing)
    drawing = drawing.replace("url(#", f"url(#{prefix}-")
    drawing = re.sub(r"\*\{(stroke-linejoin[^}]*)\}", rf"#{prefix} *{{\1}}", drawing)
    # Without its size in points the style sheet makes the drawing as wide as its column, but of a
    # small one not a giant.
    widest = round(LARGEST * float(re.findall(r' width="([\d.]+)pt"', drawing)[0]))
    drawing = re.sub(r' (?:width|height)="[^"]*pt"', "", drawing, count=2)
    names = Markup('<title id="{0}-title">{1}</title><desc id="{0}-desc">{2}</desc>').format(
        prefix, title, description
    )
    head, tail = drawing.split(">", 1)
    labels = (
        f' id="{prefix}" role="img" aria-labelledby="{prefix}-title" '
        f'aria-describedby="{prefix}-desc" style="max-width: {widest}px">'
    )
    return Markup(head + labels + str(names) + tail)
