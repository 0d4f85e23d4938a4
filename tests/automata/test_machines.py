"""The machines of memrnn against membership, on all short strings and on long ones with edits."""

import itertools

import numpy as np
import pytest
from machine_cases import FIVE, RULES, is_member, legal_next

from memrnn.automata import (
    EMPTY,
    END,
    Configuration,
    Machine,
    check_machine,
    machine_of,
    prefetch,
    rule,
    walk,
)
from memrnn.errors import MemrnnError
from memrnn.languages import get_language


@pytest.mark.parametrize("name", RULES)
def test_rules_are_as_many_as_known_and_names_agree(name: str) -> None:
    machine, language = machine_of(name), get_language(name)
    assert len(machine.moves) == RULES[name]
    assert (machine.name, machine.symbols) == (language.name, language.symbols)
    check_machine(machine)


@pytest.mark.parametrize(
    ("name", "longest"),
    [
        *((name, 12) for name in FIVE[:-1]),
        ("dyck", 8),
        pytest.param("dyck", 12, marks=pytest.mark.slow),
    ],
)
def test_machines_follow_all_short_strings(name: str, longest: int) -> None:
    """Alive on prefixes of members, accepting members, with the true set of next symbols."""
    machine = machine_of(name)
    symbols, end = range(len(machine.symbols)), len(machine.symbols)
    expected = dict(legal_next(name, longest))
    reached: dict[tuple[int, ...], Configuration] = {(): Configuration(machine)}
    for prefix, nexts in expected.items():
        configuration = reached.pop(prefix)
        assert set(machine.legal[configuration.state]) == nexts
        assert configuration.may_end == (end in nexts) == is_member(name, prefix)
        if len(prefix) == longest:
            continue
        for symbol in symbols:
            after = configuration.copy()
            assert (after.read(symbol) >= 0) == (symbol in nexts)
            if symbol in nexts:
                reached[*prefix, symbol] = after
    assert not reached


@pytest.mark.parametrize("name", FIVE)
def test_machines_accept_and_refuse_long_strings_with_edits(name: str) -> None:
    machine, language = machine_of(name), get_language(name)
    rng, members = np.random.default_rng(3), 0
    valid = [length for length in range(30, 150) if language.valid(length)]
    for _ in range(60):
        string = language.sample(int(rng.choice(valid)), 1, rng)[0].tolist()
        for _ in range(rng.integers(3)):
            edit, place = rng.integers(4), int(rng.integers(1, len(string)))
            if edit == 0:
                string[place] = int(rng.integers(language.eos))
            elif edit == 1:
                del string[place]
            elif edit == 2:
                string.insert(place, int(rng.integers(language.eos)))
            else:
                string[place - 1 : place + 1] = string[place - 1 : place + 1][::-1]
        expected = is_member(name, tuple(string))
        assert machine.accepts(np.array(string, np.int32)) == expected
        members += expected
    assert 12 < members < 50


@pytest.mark.parametrize("name", FIVE)
def test_a_trace_gives_tops_before_each_step(name: str) -> None:
    machine = machine_of(name)
    string = walk(machine, 40, np.random.default_rng(1), exact=False)
    assert string is not None
    trace, configuration = machine.run(string), Configuration(machine)
    for symbol, rules, tops in zip(string.tolist(), trace.rules, trace.tops, strict=True):
        assert tuple(tops) == configuration.tops
        assert rules == configuration.read(symbol) >= 0
    killed = machine.run(np.append(string, [0, 0]).astype(np.int32) * 0 + 99)
    assert (killed.rules == -1).all()


def test_bounded_dyck_counts_what_is_open() -> None:
    machine, language = machine_of("dyck:depth=2"), get_language("dyck:depth=2")
    for length in range(5):
        for string in itertools.product(range(4), repeat=length):
            array = np.array(string, np.int32)
            assert machine.accepts(array) == language.contains(array)


def test_walks_end_at_the_length_asked_for() -> None:
    rng = np.random.default_rng(0)
    for name in FIVE:
        machine, language = machine_of(name), get_language(name)
        for length in (n for n in range(50, 56) if language.valid(n)):
            string = walk(machine, length, rng)
            assert string is not None and len(string) == length and language.contains(string)
    assert walk(machine_of("dyck"), 51, rng, attempts=20) is None
    for name in FIVE:
        string = walk(machine_of(name), 1001, rng, exact=False)
        assert string is not None and 991 <= len(string) <= 1001
    shallow = walk(machine_of("dyck"), 400, rng, max_depth=3)
    assert shallow is not None and get_language("dyck:depth=4").contains(shallow)


TEXTBOOK_DYCK = Machine(
    "textbook",
    ("(", "[", ")", "]"),
    {"open": ("0", "1")},
    "Q",
    (
        rule("Q", "(", "Q", push={"open": "0"}),
        rule("Q", "[", "Q", push={"open": "1"}),
        rule("Q", ")", "Q", top={"open": "0"}, pop="open"),
        rule("Q", "]", "Q", top={"open": "1"}, pop="open"),
        rule("Q", END, top={"open": EMPTY}),
    ),
)


def test_prefetch_of_the_textbook_machine_is_that_of_memrnn() -> None:
    """Up to the names of states."""
    ours = prefetch(TEXTBOOK_DYCK)
    check_machine(ours)
    names = {"Z": "Q[]", "T0": "Q[0]", "T1": "Q[1]"}

    def described(machine: Machine, names: dict[str, str]) -> set[str]:
        renamed = [
            rule(
                [names.get(source, source) for source in each.sources],
                each.symbols,
                names.get(each.target, each.target),
                top=each.top,
                push=each.push,
                pop=each.pop,
            )
            for each in machine.rules
        ]
        return {str(each) for each in renamed}

    assert described(ours, {}) == described(machine_of("dyck"), names)


def test_prefetch_keeps_the_language() -> None:
    for name in ("marked-reverse-and-copy", "count-3"):
        machine = machine_of(name)
        ours = prefetch(machine)
        check_machine(ours)
        for string in itertools.product(range(3), repeat=4):
            array = np.array(string, np.int32)
            assert ours.accepts(array) == machine.accepts(array)


def test_prefetch_merges_rules_that_differ_in_one_set() -> None:
    machine = Machine(
        "two",
        ("a", "b", "c"),
        {"s": ("x",)},
        "Q",
        (
            rule("Q", "a", "Q", push={"s": "x"}),
            rule("Q", "b", "Q", push={"s": "x"}),
            rule("Q", "c", "Q", top={"s": "x"}, pop="s"),
            rule("Q", END, top={"s": EMPTY}),
        ),
    )
    assert sorted(map(str, prefetch(machine).rules)) == sorted(
        [
            "Q[], a|b -> Q[x]",
            "Q[x], a|b -> Q[x], push x on s",
            "Q[x], c, s x -> Q[x], pop s",
            "Q[x], c, s empty -> Q[]",
            "Q[], end -> ",
        ]
    )


GOOD = (rule("S", "a", "S", push={"s": "x"}), rule("S", END))


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ([*GOOD, rule("S T", "a b", "T")], "two rules fire at once: `S, a -> S, push x on s` and"),
        ([rule("S", "c", "S")], "names the symbol 'c'; there is a, b, end"),
        ([rule("S", "a", "S", top={"t": "x"})], "names the stack 't'; there is s"),
        ([rule("S", "a", "S", push={"s": "y"})], "names the stack symbol 'y'; there is x"),
        ([rule("S", "a", "S", push={"s": "x"}, pop="s")], "both pushes and pops a stack"),
        ([rule("S", "a", "S", top={"s": ()})], "allows no top symbol of s"),
        ([rule("S", "a")], "needs a target state"),
        ([rule("S", "a end", "S")], "ends strings; it has no other symbol"),
    ],
)
def test_wrong_rules_are_refused(rules: list, message: str) -> None:
    with pytest.raises(MemrnnError, match=message):
        Machine("m", ("a", "b"), {"s": ("x",)}, "S", tuple(rules))


def test_rules_with_disjoint_tops_do_not_overlap() -> None:
    rules = (
        rule("S", "a", "S", top={"s": EMPTY}, push={"s": "x"}),
        rule("S", "a", "S", top={"s": "x"}, pop="s"),
        rule("S", END),
    )
    machine = Machine("m", ("a",), {"s": ("x",)}, "S", rules)
    assert machine.accepts(np.zeros(5, np.int32))


def test_machines_whose_states_do_not_tell_are_found() -> None:
    with pytest.raises(MemrnnError, match=r"no rule for \) after nothing, though its state Q"):
        check_machine(TEXTBOOK_DYCK)
    trap = Machine(
        "m", ("a", "b"), {}, "S", (rule("S", "a", "S"), rule("S", "b", "T"), rule("T", "a", "T"))
    )
    with pytest.raises(MemrnnError, match="accepts no string that begins with nothing"):
        check_machine(trap)


def test_a_language_without_a_machine_is_refused() -> None:
    with pytest.raises(MemrnnError, match=r"There is no machine for marked-copy: .* count-3, "):
        machine_of("marked-copy")
