"""Drawings as matplotlib writes them, without what a page does not need: a quarter of the bytes."""

import itertools
import re
import xml.etree.ElementTree as ElementTree

SVG, LINK = "{http://www.w3.org/2000/svg}", "{http://www.w3.org/1999/xlink}href"

FONTS = "DejaVu Sans, Verdana, Arial, sans-serif"
"""The first is what matplotlib has measured; the others are nearly as wide."""

_REFERENCE = re.compile(r"url\(#([^)]+)\)")
_NUMBER = re.compile(r"-?\d+\.\d+")
_NO_ROTATION = re.compile(r"rotate\(-?0(?:\.0*)? [^)]*\)")


def compact(text: str, prefix: str) -> ElementTree.Element:
    """A drawing with the same marks, to a tenth of a point.

    Ids begin with the prefix, and only those that are referred to stay. Styles that are used are
    classes in one style element, which hold within the element whose id is the prefix.
    """
    root = ElementTree.fromstring(text[text.index("<svg") :])
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in (f"{SVG}metadata", f"{SVG}title", f"{SVG}style"):
                parent.remove(child)
    ids = {name: f"{prefix}-i{number}" for number, name in enumerate(_references(root))}
    classes: dict[str, str] = {}
    for element in root.iter():
        _shorten(element, ids, classes)
    _unwrap(root)
    root.set("id", prefix)
    style = ElementTree.Element(f"{SVG}style")
    rules = [f"#{prefix} .{name}{{{rule}}}" for rule, name in classes.items()]
    style.text = (
        f"#{prefix} *{{stroke-linejoin:round;stroke-linecap:butt}}"
        f"#{prefix} text{{font-family:{FONTS}}}" + "".join(rules)
    )
    root.insert(0, style)
    return root


def to_text(root: ElementTree.Element) -> str:
    """The drawing as part of an HTML page, which needs no namespaces."""
    for element in root.iter():
        element.tag = element.tag.removeprefix(SVG)
    return ElementTree.tostring(root, encoding="unicode").replace(" />", "/>")


def _references(root: ElementTree.Element) -> dict[str, None]:
    """The ids that something refers to, in order."""
    names: dict[str, None] = {}
    for element in root.iter():
        if LINK in element.attrib:
            names[element.attrib[LINK][1:]] = None
        for value in element.attrib.values():
            names |= dict.fromkeys(_REFERENCE.findall(value))
    return names


def _shorten(element: ElementTree.Element, ids: dict[str, str], classes: dict[str, str]) -> None:
    element.text = None if not (element.text or "").strip() else element.text
    element.tail = None
    old = dict(element.attrib)
    element.attrib.clear()
    style = re.sub(r"\s*font-family:[^;]*;?", "", old.pop("style", "")).strip("; ")
    rules = [style.replace(": ", ":").replace("; ", ";")]
    if "clip-path" in old:
        clip = _REFERENCE.sub(lambda match: f"url(#{ids[match[1]]})", old.pop("clip-path"))
        rules.append(f"clip-path:{clip}")
    if names := [classes.setdefault(rule, f"s{len(classes)}") for rule in rules if rule]:
        element.set("class", " ".join(names))
    for name, value in old.items():
        if name == "id":
            if value in ids:
                element.set("id", ids[value])
        elif name == LINK:
            element.set("href", f"#{ids[value[1:]]}")
        elif name == "d":
            element.set("d", _path(value))
        elif not (name == "transform" and _NO_ROTATION.fullmatch(value)):
            element.set(name, _NUMBER.sub(_rounded, value))


def _rounded(match: re.Match[str]) -> str:
    """A tenth of a point, and a hundredth where markers are drawn, around the origin."""
    number = float(match[0])
    written = f"{number:.{1 if abs(number) >= 10 else 2}f}".rstrip("0").rstrip(".")
    return "0" if written == "-0" else written


def _path(value: str) -> str:
    """Path data. Points in a row that rounding made equal are one."""
    steps = re.findall("([A-Za-z])([^A-Za-z]*)", _NUMBER.sub(_rounded, value))
    return "".join(letter + point.strip() for (letter, point), _ in itertools.groupby(steps))


def _unwrap(parent: ElementTree.Element) -> None:
    """Puts the children of groups without attributes in their places; drops empty groups."""
    children: list[ElementTree.Element] = []
    for child in list(parent):
        _unwrap(child)
        bare = child.tag in (f"{SVG}g", f"{SVG}defs") and not child.attrib
        if child.tag == f"{SVG}g" and bare:
            children += list(child)
        elif not (bare and not len(child)):
            children.append(child)
    parent[:] = children
