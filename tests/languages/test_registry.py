"""Names, parameters and templates: what is accepted and what the refusals say."""

import re

import numpy as np
import pytest
from languages_reference import NAMES

from memrnn.languages import (
    Mark,
    Run,
    Template,
    TemplateLanguage,
    Word,
    get_language,
    language_names,
    register_language,
)


def test_names() -> None:
    assert language_names()[:7] == NAMES
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
        template = Template((Run(0), Mark(mark), Run(0)))
        return TemplateLanguage("runs", ("a", "b"), template)

    register_language("runs", mark_and_runs)
    assert language_names() == ("runs",)
    language = get_language("runs:mark=1")
    assert language.contains(language.encode("aabaa"))
    assert not language.contains(language.encode("aabaaa"))
    with pytest.raises(ValueError, match="a language named runs already; choose another name"):
        register_language("runs", mark_and_runs)
    for bad in ("", "a:b", "a b", "a,b"):
        with pytest.raises(ValueError, match="cannot name a language; choose a name without"):
            register_language(bad, mark_and_runs)


@pytest.mark.parametrize(
    ("parts", "k", "message"),
    [
        ((), 1, "A template must begin with Word(), or with a Run if it has no Word at all."),
        ((Mark(0), Run(0)), 1, "A template must begin with Word()"),
        ((Run(0), Word()), 1, "A template must begin with Word()"),
        ((Word(reverse=True), Word()), 2, "A template must begin with Word()"),
        ((Word(), Word(shift=1)), 2, "A shift may not mix two alphabets; give 0 or at least k = 2"),
        ((Word(), Mark(3)), 2, "without a gap; renumber [0, 1, 3]."),
        ((Word(), Mark(-1)), 2, "without a gap; renumber [-1, 0, 1]."),
    ],
)
def test_refused_templates(parts: tuple, k: int, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        Template(parts, word_symbols=k)


def test_display_names_must_fit() -> None:
    with pytest.raises(ValueError, match="runs names 1 symbols; name the 2 of its template"):
        TemplateLanguage("runs", ("a",), Template((Run(0), Run(1))))


def test_a_single_run_determines_nothing() -> None:
    language = TemplateLanguage("run", ("a",), Template((Run(0),)))
    assert not language.has_determined_symbols
    assert not language.determined(np.zeros((1, 5), dtype=np.int32)).any()
