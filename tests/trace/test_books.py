"""The dissector's books: who lends what, what it is called, and what a correct peer does not do."""

from __future__ import annotations

import pytest
from hypothesis import given

from pbshell.trace import Dissection, Dissector, Lent, Undecodable
from pbshell.trace.notes import Cached, Decached, Ended, Exported, Large, Odd, Released, Uncached
from pbshell.trace.places import lends, places
from pbshell.wire.banana import PB, Expression, encode
from pbshell.wire.chunk import Awaited, Chunk, LinkEvent, Piece, Seed, Seeded, Side
from pbshell.wire.grammar import loans
from pbshell.wire.limits import Limits
from tests.strategies import expressions

C, S = Side.CLIENT, Side.SERVER
NO = [b"dictionary"]


def call(request: int, target: Expression, method: bytes, *args: Expression, kwargs: Expression = NO) -> Expression:
    return [b"message", request, target, method, 1, [b"tuple", *args], kwargs]


def text(value: bytes) -> Expression:
    return [b"unicode", value]


class Talk:
    """A conversation from its handshake on, an expression at a time."""

    def __init__(self, **settings: str) -> None:
        self.dissector = Dissector(**settings)  # type: ignore[arg-type]
        self.now = 0.0
        self.raw(S, encode([b"pb", b"none"]))
        self.raw(C, encode(b"pb"))

    def raw(self, sender: Side, data: bytes) -> list[Dissection]:
        return self.feed(Chunk(self.now, 1, sender, data))

    def feed(self, piece: Piece) -> list[Dissection]:
        return self.dissector.feed(piece)

    def says(self, sender: Side, *expression: Expression) -> Dissection:
        (made,) = self.raw(sender, encode(list(expression), PB, Limits(string=1 << 24)))
        return made

    def client(self, *expression: Expression) -> Dissection:
        return self.says(C, *expression)

    def server(self, *expression: Expression) -> Dissection:
        return self.says(S, *expression)

    def lent(self, owner: Side, luid: int) -> Lent:
        found = self.dissector.connections[1].lent(owner, luid)
        assert found is not None
        return found

    def odd(self, made: Dissection) -> list[tuple[str, str]]:
        return [(note.kind, note.text) for note in made.notes if isinstance(note, Odd)]


def logged_in() -> Talk:
    talk = Talk()
    talk.client(*call(1, b"root", b"login", b"ada"))
    talk.server(b"answer", 1, [b"tuple", b"challenge challen", [b"remote", 1]])
    talk.client(*call(2, 1, b"respond", b"response respons", [b"remote", 1]))
    talk.client(b"decref", 1)
    talk.server(b"answer", 2, [b"remote", 2])
    return talk


# What is lent


def test_a_reference_is_counted_up_and_down_and_leaves_a_tombstone() -> None:
    talk = logged_in()
    talk.client(*call(3, 2, b"get"))
    first = talk.server(b"answer", 3, [b"list", [b"remote", 3], [b"remote", 3]])
    lent = talk.lent(S, 3)
    down, gone = talk.client(b"decref", 3), talk.client(b"decref", 3)

    assert first.notes == (Exported(lent, 1), Exported(lent, 2))
    assert (down.notes, down.target) == ((Released(lent, 1),), lent)
    assert gone.notes == (Released(lent, 0),)
    assert (lent.born, list(lent.touched)) == (first.number, [first.number, first.number, down.number, gone.number])
    tomb = talk.dissector.connections[1].tombs[S][3]
    assert (tomb.lent, tomb.number, tomb.reason) == (lent, gone.number, "its holder dropped it")
    assert talk.dissector.connections[1].lent(S, 3) is None


def test_a_cache_is_counted_and_uncached() -> None:
    talk = logged_in()
    talk.client(*call(3, 2, b"state"))
    state = [b"demo.State", 4, [b"dictionary", [text(b"v"), 1]]]
    first = talk.server(b"answer", 3, [b"tuple", state, [b"cached", 4]])
    lent = talk.lent(S, 4)
    update = talk.server(b"cachemessage", 1, 4, b"set", 1, [b"tuple", 2], NO)

    assert first.notes == (Cached(lent, 1, True), Cached(lent, 2, False))
    assert (lent.cache, lent.type, lent.name, lent.label) == (True, "demo.State", "ada.state()[0]", "State")
    assert (update.target, lent.used, lent.method) == (lent, 1, "set")
    assert talk.client(b"decache", 4).notes == (Decached(lent, 1),)
    assert talk.client(b"decache", 4).notes == (Decached(lent, 0),)
    uncached = talk.server(b"uncache", 4)
    assert (uncached.notes, uncached.target) == ((Uncached(lent),), lent)


def test_what_comes_home_changes_no_count() -> None:
    talk = logged_in()
    talk.client(*call(3, 2, b"keep", [b"local", 2], [b"lcache", 9], [b"local", b"root"]))

    assert talk.dissector.connections[1].ledgers[S].exports.counts() == {2: 1}
    assert talk.lent(S, 2).used == 1


def test_the_root_is_never_lent_and_never_given_back() -> None:
    talk = logged_in()
    made = talk.server(*call(1, 1, b"look", [b"remote", b"root"]))

    assert made.notes == ()
    assert talk.odd(talk.client(b"decref", b"root")) == [("surplus decref", "decref of b'root', which is not lent")]


def test_an_entry_that_is_lent_anew_is_no_longer_dead() -> None:
    talk = logged_in()
    for request in (3, 4):
        talk.client(*call(request, 2, b"get"))
        talk.server(b"answer", request, [b"remote", 3])
        if request == 3:
            talk.client(b"decref", 3)

    assert talk.dissector.connections[1].tombs[S].keys() == {1}


def test_tombs_are_bounded() -> None:
    talk = logged_in()
    for luid in range(3, 303):
        talk.client(*call(luid, 2, b"get"))
        talk.server(b"answer", luid, [b"remote", luid])
        talk.client(b"decref", luid)

    assert len(talk.dissector.connections[1].tombs[S]) == 256


# What it is called


@pytest.mark.parametrize(
    ("result", "name"),
    [
        ([b"remote", 3], "ada.get('x')"),
        ([b"tuple", 1, [b"remote", 3]], "ada.get('x')[1]"),
        ([b"dictionary", [text(b"key"), [b"remote", 3]]], "ada.get('x')['key']"),
        ([b"dictionary", [b"key", [b"remote", 3]]], "ada.get('x')[b'key']"),
        ([b"dictionary", [7, [b"remote", 3]]], "ada.get('x')[7]"),
        ([b"dictionary", [[b"tuple", 1], [b"remote", 3]]], "ada.get('x')[..]"),
        ([b"dictionary", [[b"remote", 3], 1]], "ada.get('x')"),
        ([b"demo.Copy", [b"dictionary", [text(b"part"), [b"remote", 3]]]], "ada.get('x').part"),
        ([b"demo.Copy", [b"list", [b"remote", 3]]], "ada.get('x')[0]"),
        ([b"reference", 1, [b"list", [b"remote", 3]]], "ada.get('x')[0]"),
        ([b"set", [b"remote", 3]], "ada.get('x')[0]"),
    ],
)
def test_the_name_of_what_is_lent_is_the_call_and_the_place(result: Expression, name: str) -> None:
    talk = logged_in()
    talk.client(*call(3, 2, b"get", text(b"x")))
    talk.server(b"answer", 3, result)

    assert talk.lent(S, 3).name == name
    assert talk.lent(S, 3).label == name.removeprefix("ada.")


def test_names_go_on_from_birth_to_birth() -> None:
    talk = logged_in()
    talk.client(*call(3, 2, b"getBuilder", text(b"linux")))
    talk.server(b"answer", 3, [b"remote", 3])
    talk.client(
        *call(4, 3, b"start", [b"remote", 2], kwargs=[b"dictionary", [text(b"log"), [b"list", [b"remote", 5]]]])
    )
    talk.server(b"answer", 4, [b"remote", 4])

    assert talk.lent(S, 4).name == "ada.getBuilder('linux').start(c2, log=[c5])"
    assert talk.lent(S, 4).label == "start(c2, log=[c5])"
    assert talk.lent(C, 2).name == "ada.getBuilder('linux').start() args[0]"
    assert talk.lent(C, 5).name == "ada.getBuilder('linux').start() log=[0]"
    assert talk.lent(C, 2).label == "start() args[0]"


def test_the_mind_and_the_avatar_have_the_names_of_the_user() -> None:
    talk = logged_in()

    assert (talk.lent(S, 2).name, talk.lent(S, 2).label) == ("ada", "ada")
    assert (talk.lent(C, 1).name, talk.lent(C, 1).label) == ("ada.mind", "mind")
    assert talk.dissector.connections[1].user == "ada"


def test_who_logs_in_without_a_name_is_anonymous() -> None:
    talk = Talk()
    talk.client(*call(1, b"root", b"loginAnonymous", [b"None"]))
    talk.server(b"answer", 1, [b"remote", 1])

    assert talk.lent(S, 1).name == talk.dissector.connections[1].user == "anonymous"


def test_a_login_without_a_name_is_somebodys() -> None:
    talk = Talk()
    talk.client(*call(1, b"root", b"login"))
    talk.server(b"answer", 1, [b"tuple", b"c" * 16, [b"remote", 1], [b"local", 9]])
    talk.client(*call(2, 1, b"respond", b"r" * 16))
    talk.server(b"answer", 2, [b"remote", 2])

    assert talk.lent(S, 2).name == "somebody"


def test_a_login_that_is_refused_gives_nobody() -> None:
    talk = Talk()
    talk.client(*call(1, b"root", b"login", b"ada"))
    talk.server(b"answer", 1, [b"tuple", b"c" * 16, [b"remote", 1]])
    talk.client(*call(2, 1, b"respond", b"r" * 16))
    talk.server(b"error", 2, [b"dictionary"])

    assert talk.dissector.connections[1].user == ""


def test_logins_under_way_are_bounded() -> None:
    talk = Talk()
    for request in range(1, 100):
        talk.client(*call(request, b"root", b"login", b"u%d" % request))
        talk.server(b"answer", request, [b"tuple", b"c" * 16, [b"remote", request]])
    talk.client(*call(100, 1, b"respond", b"r" * 16))
    talk.server(b"answer", 100, [b"remote", 200])

    assert talk.dissector.connections[1].user == ""


def test_what_no_call_has_lent_has_no_name() -> None:
    talk = Talk()
    made = talk.server(b"answer", 9, [b"remote", 3])

    assert talk.lent(S, 3).name == ""
    assert talk.odd(made) == [("answer without call", "no call 9 waits for an answer")]


def test_a_long_name_is_cut_in_its_middle() -> None:
    talk = logged_in()
    target = 2
    for luid in range(3, 13):
        talk.client(*call(luid, target, b"getTheNextOfAll"))
        talk.server(b"answer", luid, [b"remote", luid])
        target = luid

    name = talk.lent(S, 12).name
    assert len(name) == 120
    assert name.startswith("ada.getTheNextOfAll().getTheNextOfAll()")
    assert ".." in name
    assert name.endswith(".getTheNextOfAll()")


def test_odd_keywords_lend_too() -> None:
    talk = logged_in()
    talk.client(*call(3, 2, b"f", kwargs=[b"list", [b"remote", 7]]))
    talk.client(*call(4, 2, b"f", kwargs=[b"dictionary", 5, [[b"remote", 8], 1], [text(b"k"), 1, [b"remote", 9]]]))

    assert [talk.lent(C, luid).name for luid in (7, 8, 9)] == ["ada.f() kwargs[0]", "ada.f() kwargs", "ada.f() k="]


@given(expressions())
def test_places_finds_what_the_grammar_finds(value: Expression) -> None:
    found = list(loans(value))

    assert [loan for loan, _, _ in places(value)] == found
    assert lends((value,)) or not found


def test_what_is_no_loan_and_no_pair_lends_nothing() -> None:
    assert list(places([b"list", [b"remote", [1]], [b"remote"], [b"dictionary", 5, []]])) == []


# What is odd


def test_what_is_not_lent_is_odd_and_what_was_is_told() -> None:
    talk = logged_in()

    assert talk.odd(talk.client(*call(3, 77, b"x"))) == [("unknown luid", "s77 is not lent")]
    gone = talk.client(*call(4, 1, b"x"))
    assert talk.odd(gone) == [("unknown luid", "s1 is not lent any more: its holder dropped it (#6)")]
    assert talk.odd(talk.client(*call(5, [1], b"x"))) == [("unknown luid", "sa list is not lent")]
    assert gone.target is None


@pytest.mark.parametrize(
    ("expression", "odd"),
    [
        ([b"decref", 9], ("surplus decref", "decref of s9, which is not lent")),
        ([b"decache", 9], ("surplus decache", "decache of s9, which is not cached")),
        ([b"uncache", 9], ("surplus uncache", "uncache of 9, which was not given back")),
        ([b"decref", 2**70], ("surplus decref", f"decref of s{2**70}, which is not lent")),
        ([b"uncache", 2**70], ("surplus uncache", f"uncache of {2**70}, which was not given back")),
    ],
)
def test_a_surplus_is_odd(expression: Expression, odd: tuple[str, str]) -> None:
    assert logged_in().odd(logged_in().client(*expression)) == [odd]


def test_a_request_that_is_used_twice_or_never_is_odd() -> None:
    talk = logged_in()
    talk.client(*call(3, 2, b"x"))

    assert talk.odd(talk.client(*call(3, 2, b"x"))) == [("request used twice", "call 3 waits for an answer already")]
    assert talk.odd(talk.client(*call(5, 2, b"x"))) == [("request never sent", "request 4 was never sent")]
    assert talk.odd(talk.client(*call(9, 2, b"x"))) == [("request never sent", "requests 6 to 8 were never sent")]
    # Another way of counting is no gap.
    assert talk.odd(talk.client(*call(90_000, 2, b"x"))) == []
    assert talk.odd(talk.client(b"message", b"mine", 2, b"x", 1, [b"tuple"], NO)) == []
    assert talk.odd(talk.client(*call(4, 2, b"x"))) == []


def test_an_unknown_verb_is_odd_and_no_verb_is_undecodable() -> None:
    talk = logged_in()

    (kind, said), *_ = talk.odd(talk.client(b"frobnicate", 1))
    assert kind == "unknown verb"
    assert "frobnicate" in said
    (made,) = talk.raw(C, encode(5))
    assert isinstance(made.what, Undecodable)
    assert made.notes == ()


def test_a_long_message_tells_its_longest_string() -> None:
    talk = logged_in()
    made = talk.client(*call(3, 2, b"x", [b"list", b"y" * 70_000, text(b"z" * 80_000)]))

    assert made.notes == (Large(80_000),)


# The end, and the beginning in the middle


def test_the_end_tells_what_was_dropped_and_which_calls_wait() -> None:
    talk = logged_in()
    waiting = talk.client(*call(3, 2, b"x", [b"remote", 9]))
    back = talk.server(*call(1, 9, b"y", [b"demo.State", 4, NO]))
    (closed,) = talk.feed(LinkEvent(1.0, 1, "closed", S, "reset"))

    assert closed.notes == (Ended((waiting, back), 3, 1),)
    assert 1 in talk.dissector.connections
    talk.feed(LinkEvent(2.0, 2, "opened"))
    assert 1 not in talk.dissector.connections


def test_what_ends_in_the_middle_of_too_long_a_string_says_so() -> None:
    talk = logged_in()
    head = encode(call(3, 2, b"x", b"y" * 700_000), PB, Limits(string=1 << 24))[:100]
    talk.raw(C, head)
    assert talk.dissector.connections[1].unread(C) == head
    note, _ = talk.feed(LinkEvent(1.0, 1, "closed"))

    assert isinstance(note.what, Undecodable)
    assert note.what.exceeds.startswith("a string of 700,000 bytes exceeds 655,360 ")


def test_what_ends_in_the_middle_of_nothing_long_exceeds_nothing() -> None:
    talk = logged_in()
    talk.raw(C, b"\x05")
    note, _ = talk.feed(LinkEvent(1.0, 1, "closed"))

    assert isinstance(note.what, Undecodable)
    assert note.what.exceeds == ""


def test_a_seed_is_where_the_books_begin() -> None:
    dissector = Dissector()
    lent = (
        Seeded(S, 3, 2, "demo.Builder"),
        Seeded(S, 4, 1, "demo.State", cache=True),
        Seeded(C, 1, 1),
        Seeded(C, 1, 5),  # a file may say anything
    )
    (planted,) = dissector.feed(Seed(1.0, 1, b"pb", tuple(Side), lent, (Awaited(C, 7, "get\udcff"),)))
    (answer, decref, uncache) = (
        dissector.feed(Chunk(2.0, 1, sender, encode(expression, PB)))[0]
        for sender, expression in ((S, [b"answer", 7, 1]), (C, [b"decref", 3]), (S, [b"uncache", 9]))
    )
    conversation = dissector.connections[1]

    assert isinstance(planted.what, Seed)
    assert (conversation.dialect, conversation.partial) == (b"pb", False)
    assert (answer.elapsed, answer.notes) == (1.0, ())
    assert conversation.ledgers[S].exports.counts() == {3: 1}
    assert conversation.ledgers[S].caches.counts() == {4: 1}
    assert conversation.ledgers[C].exports.counts() == {1: 1}
    assert decref.target is not None
    assert (decref.target.type, decref.target.label) == ("demo.Builder", "Builder")
    # What was given back before is not in the seed.
    assert uncache.notes == ()


def test_a_seed_in_the_handshake_lets_it_go_on() -> None:
    dissector = Dissector()
    dissector.feed(Seed(0.0, 1, None, (S,)))
    found = dissector.feed(Chunk(0.0, 1, C, encode(b"pb") + encode([b"version", 6], PB)))

    assert [type(each.what).__name__ for each in found] == ["Choice", "Version"]


def test_strangers_are_known_until_they_are_given_back() -> None:
    dissector = Dissector()

    def says(sender: Side, *expressions: Expression) -> list[Dissection]:
        return dissector.feed(Chunk(1.0, 1, sender, b"".join(encode(each, PB) for each in expressions)))

    used = says(C, call(8, 3, b"start"), call(9, [3], b"start"), [b"decref", 5])
    says(S, [b"cachemessage", 4, 6, b"set", 1, [b"tuple"], NO], [b"version", 6])
    conversation = dissector.connections[1]

    assert conversation.partial
    assert [each.notes for each in used] == [(), (), ()]
    assert used[0].target is conversation.lent(S, 3)
    assert conversation.strangers[S].keys() == {3, 6}
    says(S, [b"answer", 8, [b"list", [b"remote", 3], [b"cached", 6]]])
    assert conversation.strangers[S] == {}
    assert conversation.ledgers[S].exports.counts() == {3: 1}
    says(C, call(10, 12, b"start"))
    (gone,) = says(C, [b"decref", 12])
    assert gone.notes == (Released(gone.target, 0),)  # type: ignore[arg-type]
    assert conversation.strangers[S] == {}


def test_the_addresses_are_those_of_the_opening() -> None:
    dissector = Dissector()
    dissector.feed(LinkEvent(0.0, 1, "opened", C, "127.0.0.1:5 to [::1]:9, tls"))

    assert (dissector.connections[1].client, dissector.connections[1].server) == ("127.0.0.1:5", "[::1]:9")


def test_a_gap_in_a_stream_that_could_not_be_read_is_a_new_chance() -> None:
    talk = logged_in()
    (broken,) = talk.raw(C, b"\xff")
    gap = LinkEvent(1.0, 1, "gap", C)
    found = [
        *talk.feed(gap),
        *talk.raw(C, encode([b"decref", 2], PB) * 2),
        *talk.feed(gap),
        *talk.dissector.finish(2.0),
    ]

    assert isinstance(broken.what, Undecodable)
    assert [type(each.what).__name__ for each in found] == ["LinkEvent", "Decref", "Decref", "LinkEvent"]
