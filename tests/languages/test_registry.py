"""Names, parameters and templates: what is accepted and what the refusals say."""

import re
from collections.abc import Callable

import numpy as np
import pytest
from languages_reference import NAMES

from memrnn.languages import (
    Language,
    Marker,
    Repeat,
    Template,
    TemplateLanguage,
    Word,
    canonical_language_name,
    get_language,
    language_behaviour,
    language_names,
    register_language,
)


def test_names() -> None:
    assert language_names()[:9] == (*NAMES, "dyck")
    for name in NAMES:
        assert get_language(name).name == name
        if name != "count-3":
            assert get_language(f"{name}:k=5").name == f"{name}:k=5"
            assert get_language(f"{name}:k=2") == get_language(name)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("copy", "There is no language named 'copy'; choose one of count-3, marked-reverse-and-co"),
        ("", "There is no language named ''; choose one of"),
        ("count-3:k=2", "'k=2' is not a parameter of count-3; it takes none."),
        ("marked-copy:n=2", "'n=2' is not a parameter of marked-copy; write marked-copy:k=NUMBER."),
        ("marked-copy:", "'' is not a parameter of marked-copy; write marked-copy:k=NUMBER."),
        ("marked-copy:k=2,k=3", "'k=3' is not a parameter of marked-copy"),
        ("marked-copy:k", "The parameter k of marked-copy cannot be ''; give a whole number."),
        ("marked-copy:k=2.5", "The parameter k of marked-copy cannot be '2.5'; give a whole"),
        ("marked-copy:k=0", "There is no language marked-copy:k=0: A word needs symbols; give k"),
        ("unmarked-copy:k=-1", "A word needs symbols; give k >= 1 rather than -1."),
    ],
)
def test_refused_names(name: str, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        get_language(name)


def test_registering(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("memrnn.languages._registry._FACTORIES", {})

    def mark_and_runs(mark: int = 1) -> TemplateLanguage:
        template = Template((Repeat(0), Marker(mark), Repeat(0)))
        return TemplateLanguage("runs", ("a", "b"), template)

    register_language("runs", mark_and_runs)
    assert language_names() == ("runs",)
    language = get_language("runs:mark=1")
    assert language.contains(language.encode("aabaa"))
    assert not language.contains(language.encode("aabaaa"))
    for bad in ("", "a:b", "a b", "a,b", "a/b"):
        with pytest.raises(ValueError, match="cannot name a language; choose a name without"):
            register_language(bad, mark_and_runs)


def test_registering_the_same_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("memrnn.languages._registry._FACTORIES", {})

    def marked(k: int) -> TemplateLanguage:
        template = Template((Word(), Marker(k), Word()), word_symbols=k)
        return TemplateLanguage("marked", tuple("0123"[: k + 1]), template)

    def loop(k: int) -> Callable[..., Language]:
        return lambda: marked(k)

    register_language("marked", loop(2))
    register_language("marked", loop(2))
    first = get_language("marked")
    with pytest.raises(ValueError, match="named marked already, with another definition"):
        register_language("marked", loop(3))  # of the same source
    with pytest.raises(ValueError, match="named marked already, with another definition"):
        register_language("marked", lambda: marked(2))  # of another source
    assert get_language("marked") == first


def test_canonical_names() -> None:
    for name in NAMES:
        assert canonical_language_name(name) == name
        if name != "count-3":
            for k in (1, 2, 3, 11):
                canonical = canonical_language_name(f"{name}:k={k}")
                assert canonical == get_language(f"{name}:k={k}").name

    def pair(a: int = 1, b: int = 2) -> TemplateLanguage:
        return TemplateLanguage("pair", ("x", "y"), Template((Repeat(0), Repeat(1))))

    register_language("pair-of-a-test", pair)
    register_language("second-name-of-a-test", pair)
    assert canonical_language_name("pair-of-a-test:b=03,a=1") == "pair-of-a-test:b=3"
    assert canonical_language_name("second-name-of-a-test:b=3,a=0") == "pair-of-a-test:a=0,b=3"
    with pytest.raises(ValueError, match="There is no language named 'copy'"):
        canonical_language_name("copy")


BEHAVIOUR = {
    "count-3": (1, "ca4f3fd8a1c7"),
    "marked-reverse-and-copy": (1, "935ba29a7b8b"),
    "count-and-copy": (1, "196924712bca"),
    "marked-copy": (1, "1ec637077d51"),
    "unmarked-copy-different-alphabets": (1, "952607860a9e"),
    "unmarked-reverse-and-copy": (1, "f7f59caec0e0"),
    "unmarked-copy": (1, "6a4436cfd3a1"),
    "marked-reversal": (1, "5689e78e17e8"),
    "dyck": (1, "a774ba161c07"),
}


@pytest.mark.parametrize("name", BEHAVIOUR)
def test_built_in_languages_change_only_with_their_revision(name: str) -> None:
    """If this fails, old runs meant another language: raise `revision`, then pin the new pair."""
    language = get_language(name)
    assert (language.revision, language_behaviour(language)) == BEHAVIOUR[name]


@pytest.mark.parametrize(
    ("segments", "k", "message"),
    [
        ((), 1, "A template must begin with Word(), or with a Repeat if it has no Word at all."),
        ((Marker(0), Repeat(0)), 1, "A template must begin with Word()"),
        ((Repeat(0), Word()), 1, "A template must begin with Word()"),
        ((Word(reverse=True), Word()), 2, "A template must begin with Word()"),
        ((Word(), Word(shift=1)), 2, "A shift may not mix two alphabets; give 0 or at least k = 2"),
        ((Word(), Marker(3)), 2, "without a gap; renumber [0, 1, 3]."),
        ((Word(), Marker(-1)), 2, "without a gap; renumber [-1, 0, 1]."),
    ],
)
def test_refused_templates(segments: tuple, k: int, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        Template(segments, word_symbols=k)


def test_display_names_must_fit() -> None:
    with pytest.raises(ValueError, match="runs names 1 symbols; name the 2 of its template"):
        TemplateLanguage("runs", ("a",), Template((Repeat(0), Repeat(1))))


def test_a_single_repeat_determines_nothing() -> None:
    language = TemplateLanguage("run", ("a",), Template((Repeat(0),)))
    assert not language.has_determined_symbols
    assert not language.determined(np.zeros((1, 5), dtype=np.int32)).any()
