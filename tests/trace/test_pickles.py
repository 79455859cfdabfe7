"""Pickles: what they would do is told, and none of it is done."""

from __future__ import annotations

import ast
import collections
import datetime
import decimal
import gzip
import os
import pickle
import pickletools
import sys
import zlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbshell.trace import payloads
from pbshell.trace.payloads import Packed
from pbshell.trace.pickles import OPCODES, Pickle, disassembly, look

ROOT = Path(__file__).resolve().parents[2]
PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)

#: What has been used to get from a pickle to code, or could be.
_GADGETS = """
    os.system os.popen os.execv os.execve os.execl os.spawnv os.startfile os.remove os.rename os.putenv
    posix.system nt.system subprocess.Popen subprocess.call subprocess.check_output subprocess.run subprocess.getoutput
    builtins.eval builtins.exec builtins.compile builtins.open builtins.getattr builtins.setattr builtins.__import__
    __builtin__.eval __builtin__.apply __builtin__.execfile __builtin__.file __builtin__.input
    importlib.import_module runpy.run_path runpy._run_code code.interact pty.spawn platform.popen commands.getoutput
    timeit.timeit cProfile.run pdb.run bdb.Bdb.run webbrowser.open shutil.rmtree socket.create_connection
    ctypes.CDLL types.FunctionType marshal.loads pickle.loads numpy.load torch.load functools.partial
    operator.attrgetter operator.methodcaller sys.exit signal.raise_signal asyncio.run logging.config.listen
    pip.main xmlrpc.client.ServerProxy http.client.HTTPSConnection twisted.internet.reactor.run
"""
GADGETS = _GADGETS.split()


class Canary:
    """Leaves a file behind when it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return open, (str(self.path), "w")


class Stateful:
    def __init__(self) -> None:
        self.value = 1


def told(data: bytes) -> str:
    """What is said of *data*, without its size."""
    found = look(data)
    return "" if found is None else str(found).partition(" B")[2].removeprefix(": ")


def called_in_text(name: str) -> bytes:
    """A pickle of protocol 0 that calls *name*."""
    module, _, function = name.rpartition(".")
    return f"c{module}\n{function}\n(S'touch canary'\ntR.".encode()


def called_on_the_stack(name: str) -> bytes:
    """One of protocol 4 that does."""
    module, _, function = name.rpartition(".")
    texts = b"".join(b"\x8c" + bytes((len(text),)) + text.encode() for text in (module, function))
    return b"\x80\x04" + texts + b"\x93\x8c\x0ctouch canary\x85R."


# What is told


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ({"a": 1}, "dict"),
        (["a", 1], "list"),
        ([], "list"),
        (("a", 1, 2, 3), "tuple"),
        ("some text", "str"),
        ([2.5, None, True, False, 2**70, -1, 300, b"raw"[:0], (1,), (1, 2), (1, 2, 3), {"x": ()}], "list"),
    ],
)
def test_a_plain_value_is_told_by_its_kind(protocol: int, value: Any, kind: str) -> None:
    data = pickle.dumps(value, protocol)
    found = look(data)

    assert found is not None
    assert (found.protocol, found.size, found.kind) == (protocol, len(data), kind)
    assert found.complete
    assert not found.rest


@pytest.mark.parametrize(
    ("value", "protocol", "words"),
    [
        ({"a": 1}, 4, "dict"),
        (b"raw", 4, "bytes"),
        (bytearray(b"raw"), 5, "bytearray"),
        ({1, 2}, 4, "set"),
        (frozenset({1}), 4, "frozenset"),
        (b"raw", 2, "calls _codecs.encode"),
        (2**3000, 2, "int"),
        (None, 2, "None"),
        (True, 3, "bool"),
        (2.5, 5, "float"),
        (datetime.date(2026, 11, 21), 4, "calls datetime.date"),
        (decimal.Decimal(1), 2, "calls decimal.Decimal"),
        (collections.OrderedDict(a=1), 2, "calls collections.OrderedDict"),
        (Stateful(), 0, f"calls copy_reg._reconstructor, names {__name__}.Stateful, __builtin__.object"),
        (Stateful(), 2, f"calls {__name__}.Stateful"),
        (Stateful, 4, f"names {__name__}.Stateful"),
        ([Stateful(), datetime.date], 4, f"list, calls {__name__}.Stateful, names datetime.date"),
    ],
)
def test_a_pickle_is_told_in_one_word(value: Any, protocol: int, words: str) -> None:
    data = pickle.dumps(value, protocol)

    assert str(look(data)) == f"pickle, protocol {protocol}, {len(data):,} B: {words}"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        # Python 2, in which text was bytes: an old-style instance, and a string that is no ASCII.
        (b"(imod\nClass\np0\n(dp1\nS'x'\np2\nI1\nsb.", "calls mod.Class"),
        (b"S'caf\\xc3\xa9'\np0\n.", "str"),
        (b"(lp0\nS'\\d'\np1\na.", "list"),
        (b"\x80\x02(cmod\nClass\noq\x00}q\x01b.", "calls mod.Class"),
        (b"\x80\x04\x8c\x03mod\x8c\x05Class\x93)}\x92.", "calls mod.Class"),
        (b"\x80\x02\x82\x05)R.", "calls extension.5"),
        (b"\x80\x02\x83\x05\x00)R.", "calls extension.5"),
        (b"\x80\x02\x84\x05\x00\x00\x00)R.", "calls extension.5"),
        (b"\x80\x04cmod\nmake\n)R)R.", "calls mod.make"),
        (b"\x80\x04cmod\nthing\n}b.", "calls mod.thing.__setstate__, names mod.thing"),
        (b"\x80\x04K\x01K\x02\x93)R.", ""),
        (b"\x80\x04\x8c\x00q\x00\x8c\x00\x93)R.", "calls ?.?"),
        (b"\x80\x04S'os'\nS'system'\n\x93)R.", "calls os.system"),
        (b"\x80\x02(0]2a.", "list"),
        (b"\x80\x02(K\x01K\x021].", "list"),
        (b"\x80\x02(.", ""),
        (b"\x80\x02P1\n.", "persistent"),
        (b"\x80\x02K\x01Q.", "persistent"),
        (b"\x80\x05\x97\x98.", "buffer"),
        (
            b"\x80\x02" + b"".join(b"cm\nn%d\n" % number for number in range(6)) + b"(tR.",
            "calls m.n5, names m.n0, m.n1, m.n2 and 2 more",
        ),
        (
            b"\x80\x02]" + b"".join(b"cm\nn%d\n)Ra" % number for number in range(6)) + b".",
            "list, calls m.n0, m.n1, m.n2 and 3 more",
        ),
    ],
)
def test_what_a_pickle_would_call_is_followed_through_stack_and_memo(data: bytes, words: str) -> None:
    assert told(data) == words


def test_names_are_resolved_through_the_memo() -> None:
    data = pickle.dumps([datetime.date(2026, 1, 1), datetime.time(1)], 4)
    found = look(data)

    assert data.count(b"datetime") == 1
    assert found is not None
    assert found.names == ("datetime.date", "datetime.time")
    assert found.calls == found.names


def test_only_so_many_names_are_kept() -> None:
    found = look(b"\x80\x02]" + b"".join(b"cm\nn%d\na" % number for number in range(200)) + b".")

    assert found is not None
    assert len(found.names) == 64


def test_bytes_behind_the_end_of_a_pickle_are_told() -> None:
    assert told(pickle.dumps({}, 2) + b"more") == "dict, 4 B behind it"


def test_of_a_long_pickle_the_beginning_is_read() -> None:
    data = pickle.dumps([{"a": number} for number in range(10_000)], 2)
    plain = pickle.dumps(list(range(10_000)), 0)

    assert told(data) == "list, only its beginning was read"
    assert told(plain) == "list, only its beginning was read"
    assert look(data, 1_000_000) == Pickle(2, len(data), "list")


# What is no pickle


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"abc",
        b"N.",
        b"Not.",
        b"No. Nothing.",
        b"I am here.",
        b"Understood. I will do it.",
        b"Very well.\nSo be it.",
        b"Such is life.",
        b"S'il vous plait.",
        b"Xerxes was a king.",
        b"Today.",
        b"(see below).",
        b"(I think so,\nmy friend).",
        b"(lp0.",
        b"[1, 2, 3].",
        b"]].",
        b"}{.",
        b"can you\nsee this\n.",
        b"count of\n5.",
        b"coffee\ntea\nand more.",
        b")).",
        b"I5\n.",
        b"K\x05.",
        b"]K\x01a.",
        b"(dp0\n.more",
        b"(dp0\n(dp1\n.",
        b"(dpx\n.",
        b"(dp\xb2\n.",
        b"(dp12345678901\n.",
        b"(dp0\ng7\n.",
        b"(dp0\ns.",
        b"(dp0\na.",
        b"(dp0\nt.",
        b"(dp0\n((a.",
        b"(dp0\n0q\x05.",
        b"(dp0\n00.",
        b"(dp0\n0.",
        b"(dp0\n(.",
        b"(p0\n.",
        b"(lp0\n(R.",
        b"(lp0\n(o.",
        b"(lp0\n2.",
        b"\x80\x02",
        b"\x80\x02}",
        b"\x80\x02}q",
        b"\x80\x02G\x00\x00.",
        b"\x80\x02\x8b\xff\xff\xff\xff.",
        b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\xff.",
        b"\x80\x04\x8d\xff\xff\xff\xff\xff\xff\xff\x7f.",
        b"\x80\x02cos\nsystem",
        b"\x80\x02\x99.",
        b"\x80\x01}.",
        b"\x80\x06}.",
        b"\x80\x02.....",
        b"\x80\x02R...",
    ],
)
def test_what_is_no_pickle_is_not_called_one(data: bytes) -> None:
    assert look(data) is None


def test_no_line_of_the_documentation_is_taken_for_anything() -> None:
    texts = [path.read_bytes() for folder in ("docs", "pbshell") for path in (ROOT / folder).rglob("*.[mp][dy]")]
    lines = [line for text in texts for line in text.split(b"\n")]
    sentences = [part + b"." for text in texts for part in text.split(b".")]

    assert len(lines) > 5_000
    assert [found for found in [*texts, *lines, *sentences] if payloads.recognise(found) is not None] == []


@given(st.one_of(st.binary(max_size=60), st.binary(max_size=60).map(lambda data: b"\x80\x04" + data + b".")))
def test_any_bytes_are_looked_at_without_an_error(data: bytes) -> None:
    for said in (str(look(data)), str(payloads.recognise(data)), *disassembly(data)):
        assert said.isprintable()
        assert len(said) < 600


@given(st.recursive(st.integers() | st.text() | st.binary() | st.none(), st.lists, max_leaves=20))
def test_what_pickle_writes_is_a_pickle(value: Any) -> None:
    for protocol in PROTOCOLS[2:]:
        data = pickle.dumps(value, protocol)
        found = look(data, 10_000)
        assert (found is None) == (len(data) < 4)
        assert found is None or (found.complete and found.protocol == protocol)


# What is never done


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_canary_is_never_run(protocol: int, tmp_path: Path) -> None:
    data = pickle.dumps({"it": Canary(tmp_path / "canary")}, protocol)
    found = look(data)

    assert found is not None
    assert [name.rpartition(".")[2] for name in found.calls] == ["open"]
    assert any("open" in line for line in disassembly(data))
    assert list(tmp_path.iterdir()) == []
    pickle.loads(data)["it"].close()  # It would have sung.
    assert list(tmp_path.iterdir()) == [tmp_path / "canary"]


@pytest.mark.parametrize("name", GADGETS)
def test_what_a_gadget_calls_is_named_and_imports_nothing(name: str) -> None:
    before = set(sys.modules)
    for make in (called_in_text, called_on_the_stack):
        data = make(name)
        found = look(data)
        assert found is not None
        assert found.calls == (name,)
        assert f"calls {name}" in str(payloads.recognise(zlib.compress(data)))
        assert list(disassembly(data))[-1].endswith("STOP")
    assert set(sys.modules) == before
    assert not Path("canary").exists()


def test_there_are_enough_gadgets() -> None:
    assert len(set(GADGETS)) >= 50


LOADERS = {"pickle", "_pickle", "cPickle", "marshal", "shelve", "dill", "cloudpickle", "pickletools"}


@pytest.mark.parametrize("path", sorted(path for top in ("pbshell", "plugins") for path in (ROOT / top).rglob("*.py")))
def test_no_module_can_load_a_pickle(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and not node.level:
            names = [node.module or ""]
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("import_module", "__import__")):
            names = [str(ast.literal_eval(each)) for each in node.args if isinstance(each, ast.Constant)]
        assert not {name.partition(".")[0] for name in names} & LOADERS


# The table, held against the standard library


def test_the_opcodes_are_those_of_the_standard_library() -> None:
    marks = {True: -1}
    for theirs in pickletools.opcodes:
        ours = OPCODES[ord(theirs.code)]
        before = [each.name for each in theirs.stack_before]
        assert (ours.name, ours.protocol) == (theirs.name, theirs.proto)
        if ours.pushes != "*":
            kept = ours.pushes == "="
            assert ours.pops == marks.get("mark" in before, len(before) - kept)
    assert len(OPCODES) == len(pickletools.opcodes)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_opcodes_are_found_where_the_standard_library_finds_them(protocol: int) -> None:
    value: list[Any] = [
        1,
        -1,
        300,
        2**40,
        2**3000,
        2.5,
        None,
        True,
        "text\n\\ \u2028",
        b"raw" * 200,
        bytearray(5),
        {1: {2}},
    ]
    value += [value, Stateful(), datetime.datetime.now(datetime.UTC), frozenset({1}), "x" * 70_000, range(3), os.getcwd]
    data = pickle.dumps(value, protocol)

    theirs = [(position, opcode.name) for opcode, _, position in pickletools.genops(data)]
    ours = [tuple(line.split()[:2]) for line in disassembly(data, 10_000)]

    assert ours == [(str(position), name) for position, name in theirs]


# The disassembly


def test_a_disassembly_is_an_opcode_a_line() -> None:
    data = b"\x80\x02}(U\x01kcos\nsystem\n(U\x02idtRK\x01\x8a\x02\x00\x01Bx\x00\x00\x00" + b"\xff" * 120 + b"u."

    assert list(disassembly(data)) == [
        "     0 PROTO 2",
        "     2 EMPTY_DICT",
        "     3 MARK",
        "     4  SHORT_BINSTRING k",
        "     7  GLOBAL os system",
        "    18  MARK",
        "    19   SHORT_BINSTRING id",
        "    23  TUPLE",
        "    24  REDUCE",
        "    25  BININT1 1",
        "    27  LONG1 256",
        "    31  BINBYTES b'" + "\\xff" * 60 + "'... (120 bytes)",
        "   156 SETITEMS",
        "   157 STOP",
    ]


@pytest.mark.parametrize(
    ("data", "last"),
    [
        (b"\x80\x02]\xff", "     3 not understood: 0xff is no opcode"),
        (b"tN", "     2 not understood: the end came before STOP"),
        (b"]X\xff\xff\xff\xffx", "     1 not understood: 4,294,967,295 bytes are due and 1 are left"),
        (b"N.rest", "... 4 bytes behind the end"),
        (b"]" * 100 + b".", "... 1 more bytes"),
        (b"\x8b\xc8\x00\x00\x00" + b"a" * 200 + b".", "   205 STOP"),
    ],
)
def test_a_disassembly_says_why_it_ends(data: bytes, last: str) -> None:
    lines = list(disassembly(data))

    assert lines[-1] == last
    assert len(lines) <= 101


def test_a_long_integer_is_measured() -> None:
    assert next(disassembly(b"\x8b\xc8\x00\x00\x00" + b"a" * 200)) == f"     0 LONG4 {'a' * 60}... (200 bytes)"


HOSTILE = ["\x1b]52;c;aGk=\x07", "\x9b31m", "evil\u202egnp", "\x1b]8;;http://x\x07", "\r\n\x00\x7f", "x" * 100_000]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_names_and_texts_are_spelled_out(text: str) -> None:
    name = text.replace("\n", " ").encode()
    data = b"\x80\x02c" + name + b"\n" + name + b"\nX" + len(name).to_bytes(4, "little") + name + b"\x85R."

    for line in (str(look(data)), *disassembly(data)):
        assert line.isprintable()
        assert len(line) < 800


# What is packed


def pack(packing: str, data: bytes) -> bytes:
    return zlib.compress(data) if packing == "zlib" else gzip.compress(data)


@pytest.mark.parametrize("packing", ["zlib", "gzip"])
def test_a_packed_pickle_is_told(packing: str) -> None:
    data = pickle.dumps({"numbers": [*range(100)]}, 2)
    packed = pack(packing, data)
    size, inflated = f"{len(packed):,}", f"{len(data):,}"

    assert str(payloads.recognise(packed)) == (
        f"{packing}, {size} B, {inflated} B inflated: pickle, protocol 2, {inflated} B: dict"
    )


@pytest.mark.parametrize("level", [0, 1, 2, 6, 9])
def test_zlib_is_known_at_every_level(level: int) -> None:
    found = payloads.recognise(zlib.compress(b"plain\x1b[2J text " * 4, level))

    assert isinstance(found, Packed)
    assert found.content == b"plain\x1b[2J text " * 4
    assert str(found).endswith(" B, 60 B inflated: b'plain\\x1b[2J text plain\\x1b[2J'...")
    assert str(payloads.recognise(zlib.compress(b"short"))).endswith(" inflated: b'short'")


@pytest.mark.parametrize("packing", ["zlib", "gzip"])
def test_a_bomb_costs_no_more_than_64_kilobytes(packing: str) -> None:
    bomb = pack(packing, bytes(50_000_000))
    found = payloads.recognise(bomb)

    assert isinstance(found, Packed)
    assert len(found.content) == 65_536
    assert not found.complete
    assert "over 65,536 B inflated" in str(found)
    whole = payloads.recognise(pack(packing, bytes(65_536)))
    assert isinstance(whole, Packed)
    assert whole.complete


@pytest.mark.parametrize(
    "data",
    [
        b"x^2 + y^2 = z^2.",
        b"x^2",
        b"x\x9cgarbage",
        zlib.compress(b"text")[:-1],
        zlib.compress(b"text")[:-4] + b"\x00\x00\x00\x00",
        b"\x1f\x8b\x08",
        b"\x1f\x8b\x08\x00garbage garbage",
        zlib.compress(os.urandom(300_000), 0)[:10_000],
    ],
)
def test_what_cannot_be_inflated_is_not_called_zlib(data: bytes) -> None:
    assert payloads.recognise(data) is None
