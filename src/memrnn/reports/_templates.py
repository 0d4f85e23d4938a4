"""What every page is made with: templates that escape, and drawings as part of a page."""

import xml.etree.ElementTree as ElementTree

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from memrnn.reports._compact import compact, to_text
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
    drawing = compact(text, prefix)
    # Without its size in points the style sheet makes the drawing as wide as its column, but of a
    # small one not a giant, and on a phone not so small that nobody can read it.
    points = float(drawing.attrib.pop("width").removesuffix("pt"))
    del drawing.attrib["height"]
    names = {"title": title, "desc": description}
    for place, (tag, content) in enumerate(names.items()):
        element = ElementTree.Element(tag, {"id": f"{prefix}-{tag}"})
        element.text = content
        drawing.insert(place, element)
    drawing.attrib |= {
        "role": "img",
        "aria-labelledby": f"{prefix}-title",
        "aria-describedby": f"{prefix}-desc",
        "style": f"max-width: {round(LARGEST * points)}px; --points: {round(points)}px",
    }
    return Markup(to_text(drawing))
