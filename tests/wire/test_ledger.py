"""The books of one side, held against a plain list of receipts."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from pbshell.wire.ledger import Entry, Ledger, Table

LUIDS = st.one_of(st.integers(1, 4), st.sampled_from([b"root", b"x", -1]))


def test_an_object_lent_twice_survives_one_return_and_not_two() -> None:
    table: Table[str] = Table()

    assert table.lend(1, "thing") is table.lend(1, "not looked at")
    assert table.counts() == {1: 2}
    assert table.give_back(1) == Entry(1, "thing", count=1)
    assert table.give_back(1) == Entry(1, "thing", count=0)
    assert table == {}
    assert (table.lent, table.returned) == (2, 2)


def test_a_surplus_return_changes_nothing() -> None:
    table: Table[str] = Table()

    assert table.give_back(1) is None
    assert (table.lent, table.returned) == (0, 0)


def test_what_is_pinned_is_not_lent_and_never_freed() -> None:
    table: Table[str] = Table()
    table.pin(b"root", "the root")

    assert table.give_back(b"root") is None
    assert table.counts() == {}
    assert table[b"root"] == Entry(b"root", "the root", count=0, pinned=True)


def test_a_ledger_opens_with_three_empty_tables() -> None:
    ledger: Ledger[str, str] = Ledger()

    assert (ledger.exports, ledger.caches, ledger.pending) == ({}, {}, {})
    assert ledger.exports is not ledger.caches


class Receipts(RuleBasedStateMachine):
    """Whatever is lent and returned: a table counts the receipts that are out, and is never negative."""

    def __init__(self) -> None:
        super().__init__()
        self.table: Table[str] = Table()
        self.out: list[object] = []

    @rule(luid=LUIDS)
    def lend(self, luid: int | bytes) -> None:
        self.out.append(luid)
        assert self.table.lend(luid, "thing").count == self.out.count(luid)

    @rule(luid=LUIDS)
    def give_back(self, luid: int | bytes) -> None:
        entry = self.table.give_back(luid)
        assert (entry is not None) == (luid in self.out)
        if entry is not None:
            self.out.remove(luid)

    @invariant()
    def the_table_counts_what_is_out(self) -> None:
        assert self.table.counts() == {luid: self.out.count(luid) for luid in self.out}
        assert self.table.lent - self.table.returned == len(self.out)


TestReceipts = Receipts.TestCase
