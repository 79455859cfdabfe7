"""Pickles, read and never loaded: what one would make and call, and what is written in it.

Knows the opcodes of all protocols; makes no object, imports nothing that a pickle names, and does not use the standard
library's readers: `pickletools` refuses the texts of Python 2 and warns about others, and brings `pickle` along.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from pbshell.wire.text import visible

__all__ = ["OPCODES", "Opcode", "Pickle", "disassembly", "look"]

#: opcodes that are read to say in a few words what a pickle is
_OPCODES_READ = 1_000
#: names that are kept, and characters of one
_NAMES, _NAME = 64, 80
#: names that are said in one line
_SAID = 3
#: bytes of a text, and of an integer, that a line of the disassembly shows
_TEXT, _WHOLE = 60, 32
#: columns by which a line may be indented
_INDENT = 20


@dataclass(frozen=True, slots=True)
class Pickle:
    """What can be known of a pickle of *protocol* that takes *size* bytes, without loading it.

    *kind* is what it would make: dict, list, int, ... or, if a call would make it, what is called; empty when that is
    not obvious. *calls* are the names that loading would call, *names* all that it would import, both in order, at
    most 64, each as ``module.name`` and harmless to show. *rest* bytes follow its end. Of a pickle that is not
    *complete* only the beginning was read.
    """

    protocol: int
    size: int
    kind: str = ""
    calls: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    rest: int = 0
    complete: bool = True

    def __str__(self) -> str:
        """In one word: ``pickle, protocol 4, 1,204 B: dict, calls os.system``."""
        parts = [] if self.kind in self.calls or not self.kind else [self.kind]
        named = tuple(name for name in self.names if name not in self.calls)
        parts += [f"{verb} {_listed(some)}" for verb, some in (("calls", self.calls), ("names", named)) if some]
        if not self.complete:
            parts.append("only its beginning was read")
        if self.rest:
            parts.append(f"{self.rest:,} B behind it")
        says = f": {', '.join(parts)}" if parts else ""
        return f"pickle, protocol {self.protocol}, {self.size:,} B{says}"


def _listed(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - _SAID} more" if len(names) > _SAID else ""
    return ", ".join(names[:_SAID]) + more


# ------------------------------------------------------------------------------------------------ the opcodes

Argument: TypeAlias = int | float | bytes | None
#: Who reads the argument of an opcode: bytes and a position in, the argument and the position behind it out.
_Reader: TypeAlias = Callable[[bytes, int], tuple[Argument, int]]


class _NoPickle(ValueError):
    """These bytes are no pickle, or one that cannot be loaded."""


def _nothing(data: bytes, at: int) -> tuple[Argument, int]:
    return None, at


def _exactly(data: bytes, at: int, size: int) -> bytes:
    found = data[at : at + size]
    if len(found) < size:
        raise _NoPickle(f"{size:,} bytes are due and {len(found):,} are left")
    return found


def _number(size: int, *, signed: bool = False) -> _Reader:
    """An integer of *size* bytes, the lowest first."""

    def read(data: bytes, at: int) -> tuple[Argument, int]:
        return int.from_bytes(_exactly(data, at, size), "little", signed=signed), at + size

    return read


def _float(data: bytes, at: int) -> tuple[Argument, int]:
    number: float = struct.unpack(">d", _exactly(data, at, 8))[0]
    return number, at + 8


def _counted(size: int) -> _Reader:
    """Bytes behind their count, which takes *size* bytes."""

    def read(data: bytes, at: int) -> tuple[Argument, int]:
        start = at + size
        stop = start + int.from_bytes(_exactly(data, at, size), "little")
        return _exactly(data, start, stop - start), stop

    return read


def _lines(count: int) -> _Reader:
    """Bytes up to the newline that ends the last of *count* lines."""

    def read(data: bytes, at: int) -> tuple[Argument, int]:
        stop = at - 1
        for _ in range(count):
            stop = data.find(b"\n", stop + 1)
            if stop < 0:
                raise _NoPickle("a newline is due and none is left")
        return data[at:stop], stop + 1

    return read


_READERS: Mapping[str, _Reader] = {
    "-": _nothing,
    "line": _lines(1),
    "lines": _lines(2),
    "float": _float,
    "byte": _number(1),
    "short": _number(2),
    "int": _number(4, signed=True),
    "uint": _number(4),
    "ulong": _number(8),
    "counted1": _counted(1),
    "counted4": _counted(4),
    "counted8": _counted(8),
}


@dataclass(frozen=True, slots=True)
class Opcode:
    """*code* is its byte; *protocol* the first that has it; *read* gets its argument.

    It takes *pops* values from the stack, -1 for all those above the topmost mark. *pushes* is the kind of value that
    it puts there, empty for none, ``=`` if the one below takes in what was taken, ``*`` if there is more to do.
    """

    code: int
    name: str
    protocol: int
    read: _Reader
    pops: int
    pushes: str


#: code, name, first protocol, argument, pops, pushes.
_TABLE = """
    28 MARK             0 -        0    *
    2e STOP             0 -        0    *
    30 POP              0 -        0    *
    31 POP_MARK         1 -        mark -
    32 DUP              0 -        0    *
    46 FLOAT            0 line     0    float
    47 BINFLOAT         1 float    0    float
    49 INT              0 line     0    int
    4a BININT           1 int      0    int
    4b BININT1          1 byte     0    int
    4c LONG             0 line     0    int
    4d BININT2          1 short    0    int
    4e NONE             0 -        0    None
    50 PERSID           0 line     0    persistent
    51 BINPERSID        1 -        1    persistent
    52 REDUCE           0 -        1    *
    53 STRING           0 line     0    str
    54 BINSTRING        1 counted4 0    str
    55 SHORT_BINSTRING  1 counted1 0    str
    56 UNICODE          0 line     0    str
    58 BINUNICODE       1 counted4 0    str
    5d EMPTY_LIST       1 -        0    list
    61 APPEND           0 -        1    =
    62 BUILD            0 -        1    *
    63 GLOBAL           0 lines    0    *
    64 DICT             0 -        mark dict
    65 APPENDS          1 -        mark =
    67 GET              0 line     0    *
    68 BINGET           1 byte     0    *
    69 INST             0 lines    mark *
    6a LONG_BINGET      1 uint     0    *
    6c LIST             0 -        mark list
    6f OBJ              1 -        mark *
    70 PUT              0 line     0    *
    71 BINPUT           1 byte     0    *
    72 LONG_BINPUT      1 uint     0    *
    73 SETITEM          0 -        2    =
    74 TUPLE            0 -        mark tuple
    75 SETITEMS         1 -        mark =
    7d EMPTY_DICT       1 -        0    dict
    29 EMPTY_TUPLE      1 -        0    tuple
    80 PROTO            2 byte     0    -
    81 NEWOBJ           2 -        1    *
    82 EXT1             2 byte     0    *
    83 EXT2             2 short    0    *
    84 EXT4             2 int      0    *
    85 TUPLE1           2 -        1    tuple
    86 TUPLE2           2 -        2    tuple
    87 TUPLE3           2 -        3    tuple
    88 NEWTRUE          2 -        0    bool
    89 NEWFALSE         2 -        0    bool
    8a LONG1            2 counted1 0    int
    8b LONG4            2 counted4 0    int
    42 BINBYTES         3 counted4 0    bytes
    43 SHORT_BINBYTES   3 counted1 0    bytes
    8c SHORT_BINUNICODE 4 counted1 0    str
    8d BINUNICODE8      4 counted8 0    str
    8e BINBYTES8        4 counted8 0    bytes
    8f EMPTY_SET        4 -        0    set
    90 ADDITEMS         4 -        mark =
    91 FROZENSET        4 -        mark frozenset
    92 NEWOBJ_EX        4 -        2    *
    93 STACK_GLOBAL     4 -        2    *
    94 MEMOIZE          4 -        0    *
    95 FRAME            4 ulong    0    -
    96 BYTEARRAY8       5 counted8 0    bytearray
    97 NEXT_BUFFER      5 -        0    buffer
    98 READONLY_BUFFER  5 -        0    =
"""


def _opcodes() -> Iterator[Opcode]:
    for row in _TABLE.split("\n")[1:-1]:
        code, name, protocol, argument, pops, pushes = row.split()
        taken = -1 if pops == "mark" else int(pops)
        yield Opcode(int(code, 16), name, int(protocol), _READERS[argument], taken, pushes.strip("-"))


#: Every opcode there is, by its byte.
OPCODES: Mapping[int, Opcode] = {opcode.code: opcode for opcode in _opcodes()}

_STOP = 0x2E


def _operations(data: bytes) -> Iterator[tuple[int, Opcode, Argument, int]]:
    """Where each opcode stands, the opcode, its argument, and the position behind it; the last one is STOP.

    Raises _NoPickle where something else stands, or nothing. Nothing is allocated from a count whose bytes are not
    there.
    """
    at = 0
    while True:
        if at >= len(data):
            raise _NoPickle("the end came before STOP")
        opcode = OPCODES.get(data[at])
        if opcode is None:
            raise _NoPickle(f"0x{data[at]:02x} is no opcode")
        argument, behind = opcode.read(data, at + 1)
        yield at, opcode, argument, behind
        if data[at] == _STOP:
            return
        at = behind


# ------------------------------------------------------------------------------------------------ what it would do


class _Thing(NamedTuple):
    """What would be on the stack: its *kind*, and what is known of it: the bytes of a text, a name's spelling."""

    kind: str
    text: bytes = b""


_MARK, _UNKNOWN = _Thing("", b"mark"), _Thing("")


class _Machine:
    """Keeps the stack and the memo as loading would, with what is known of each value in its place."""

    def __init__(self) -> None:
        self.stack: list[_Thing] = []
        self.names: dict[str, None] = {}
        self.calls: dict[str, None] = {}
        self.protocol = 0
        #: whether it has done what no text does by chance: kept a value in the memo, or named something
        self.plausible = False
        self._memo: dict[int, _Thing] = {}

    def do(self, opcode: Opcode, argument: Argument) -> None:
        """Carry out *opcode*. Raises _NoPickle where loading would fail."""
        self.protocol = max(self.protocol, opcode.protocol)
        pops = opcode.pops
        taken: list[_Thing] = []
        if pops:
            taken = self._from_mark() if pops < 0 else self._take(pops)
        if opcode.pushes == "*":
            _ACTIONS[opcode.name](self, taken, argument)
        elif opcode.pushes == "=":
            self._top()
        elif opcode.pushes:
            self.stack.append(_Thing(opcode.pushes, argument if isinstance(argument, bytes) else b""))

    def kind(self) -> str:
        """What is at the bottom of the stack, where the whole is made, in a word; empty for what only has a name."""
        kind, text = self.stack[0] if self.stack else _UNKNOWN
        if kind == "made":
            return _spelled(text)
        return "" if kind == "name" else kind

    def _take(self, count: int) -> list[_Thing]:
        taken = self.stack[-count:]
        if len(taken) < count or _MARK in taken:
            raise _NoPickle("the stack is empty")
        del self.stack[-count:]
        return taken

    def _from_mark(self) -> list[_Thing]:
        taken: list[_Thing] = []
        while self.stack:
            thing = self.stack.pop()
            if thing is _MARK:
                return taken[::-1]
            taken.append(thing)
        raise _NoPickle("there is no mark")

    def _top(self) -> _Thing:
        if not self.stack or self.stack[-1] is _MARK:
            raise _NoPickle("the stack is empty")
        return self.stack[-1]

    def mark(self, taken: list[_Thing], argument: Argument) -> None:
        self.stack.append(_MARK)

    def stop(self, taken: list[_Thing], argument: Argument) -> None:
        self._top()

    def pop(self, taken: list[_Thing], argument: Argument) -> None:
        """A mark too can be taken away."""
        if not self.stack:
            raise _NoPickle("the stack is empty")
        self.stack.pop()

    def duplicate(self, taken: list[_Thing], argument: Argument) -> None:
        self.stack.append(self._top())

    def put(self, taken: list[_Thing], argument: Argument) -> None:
        self.plausible = True
        self._memo[_index(argument)] = self._top()

    def memoize(self, taken: list[_Thing], argument: Argument) -> None:
        self.put(taken, len(self._memo))

    def get(self, taken: list[_Thing], argument: Argument) -> None:
        found = self._memo.get(_index(argument))
        if found is None:
            raise _NoPickle("the memo has no such value")
        self.stack.append(found)

    def name(self, taken: list[_Thing], argument: Argument) -> None:
        assert isinstance(argument, bytes)
        self._name(*argument.split(b"\n"))

    def stack_name(self, taken: list[_Thing], argument: Argument) -> None:
        if not all(thing.kind in ("str", "") for thing in taken):
            raise _NoPickle("a name is text")
        self._name(*(thing.text.strip(b"'\"") or b"?" for thing in taken))

    def extension(self, taken: list[_Thing], argument: Argument) -> None:
        """A number that copyreg gives a name."""
        self._name(b"extension", str(argument).encode())

    def _name(self, module: bytes, name: bytes) -> None:
        self.plausible = True
        spelled = b"%b.%b" % (module, name)
        _keep(self.names, spelled)
        self.stack.append(_Thing("name", spelled))

    def reduce(self, taken: list[_Thing], argument: Argument) -> None:
        """What is below the arguments is called; it may be the result of a call itself."""
        (called,) = self._take(1)
        self._call(called)

    def build(self, taken: list[_Thing], argument: Argument) -> None:
        """The state, which the object takes in."""
        if self._top().kind == "name":
            _keep(self.calls, self._top().text + b".__setstate__")

    def instance(self, taken: list[_Thing], argument: Argument) -> None:
        self.name(taken, argument)
        self._call(self.stack.pop())

    def make(self, taken: list[_Thing], argument: Argument) -> None:
        if not taken:
            raise _NoPickle("a class is due")
        self._call(taken[0])

    def _call(self, called: _Thing) -> None:
        if called.kind != "name":
            self.stack.append(_UNKNOWN)
            return
        _keep(self.calls, called.text)
        self.stack.append(_Thing("made", called.text))


_Action: TypeAlias = Callable[[_Machine, list[_Thing], Argument], None]
_ACTIONS: Mapping[str, _Action] = {
    "MARK": _Machine.mark,
    "STOP": _Machine.stop,
    "POP": _Machine.pop,
    "DUP": _Machine.duplicate,
    **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT"), _Machine.put),
    "MEMOIZE": _Machine.memoize,
    **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), _Machine.get),
    "GLOBAL": _Machine.name,
    "STACK_GLOBAL": _Machine.stack_name,
    **dict.fromkeys(("EXT1", "EXT2", "EXT4"), _Machine.extension),
    **dict.fromkeys(("REDUCE", "NEWOBJ", "NEWOBJ_EX"), _Machine.reduce),
    "BUILD": _Machine.build,
    "INST": _Machine.instance,
    "OBJ": _Machine.make,
}


def _index(argument: Argument) -> int:
    """A place in the memo, which protocol 0 writes in decimal."""
    if isinstance(argument, int):
        return argument
    if not isinstance(argument, bytes) or not argument.isdigit() or len(argument) > 10:
        raise _NoPickle("the place of a value is a number")
    return int(argument)


def _keep(names: dict[str, None], name: bytes) -> None:
    if len(names) < _NAMES:
        names[_spelled(name)] = None


def _spelled(name: bytes) -> str:
    return visible(name, _NAME)


# ------------------------------------------------------------------------------------------------ from outside

#: How a pickle begins: of protocol 2 and later with its number, of an earlier one with what has a container, a text
#: or a name in it. A number alone would be no more than a word that ends with a dot.
_BEGINNING = re.compile(
    rb"\x80[\x02-\x05].|\((?:[ld]p\d|[cSVIFLi][^\n]{0,255}\n|[NJKMGUTX(\])}])|[\]})][qrp(]"
    rb"|c[A-Za-z_][\w.]*\n[A-Za-z_]|S['\"]|V[^\n]*\n|U|[TX]..\x00\x00",
    re.DOTALL,
)
_FIRST = frozenset(b"\x80(])}cSVUTX")
_PROTO = 0x80
#: bytes of the shortest that says anything
_SHORTEST = 4


def look(data: bytes, most: int = _OPCODES_READ) -> Pickle | None:
    """What *data* would do if it were loaded, if it is a pickle. At most *most* opcodes are read.

    A pickle of protocol 0 or 1 carries no sign: it counts as one if all of it can be read, and loaded, and if it does
    what text does not do by chance. Raises nothing.
    """
    if len(data) < _SHORTEST or data[0] not in _FIRST:
        return None
    signed = data[0] == _PROTO
    if not (signed or data[-1] == _STOP) or not _BEGINNING.match(data):
        return None
    machine = _Machine()
    behind, complete = 0, False
    try:
        for count, (_, opcode, argument, end) in enumerate(_operations(data)):
            if count >= most:
                break
            machine.do(opcode, argument)
            behind, complete = end, opcode.code == _STOP
    except _NoPickle:
        return None
    if not signed and not _is_convincing(machine, len(data) - behind, complete=complete):
        return None
    return Pickle(
        data[1] if signed else machine.protocol,
        len(data),
        machine.kind(),
        tuple(machine.calls),
        tuple(machine.names),
        len(data) - behind if complete else 0,
        complete,
    )


def _is_convincing(machine: _Machine, rest: int, *, complete: bool) -> bool:
    """Whether what was carried out was meant to be."""
    return machine.plausible and not (complete and (rest or len(machine.stack) != 1))


def disassembly(data: bytes, most_lines: int = 100) -> Iterator[str]:
    """The pickle *data*, an opcode a line: its offset in bytes, its name, its argument. Harmless, whatever it is.

    What is inside a mark is indented. Nothing is carried out: also what could not be loaded is shown.
    """
    depth = behind = 0
    try:
        for count, (at, opcode, argument, end) in enumerate(_operations(data)):
            if count >= most_lines:
                yield f"... {len(data) - at:,} more bytes"
                return
            behind = end
            if opcode.pops < 0:
                depth = max(depth - 1, 0)
            indent = " " * min(depth, _INDENT)
            yield f"{at:>6} {indent}{opcode.name}{_shown(opcode, argument)}"
            if opcode.name == "MARK":
                depth += 1
    except _NoPickle as error:
        yield f"{behind:>6} not understood: {visible(str(error))}"
        return
    if behind < len(data):
        yield f"... {len(data) - behind:,} bytes behind the end"


def _shown(opcode: Opcode, argument: Argument) -> str:
    if argument is None:
        return ""
    if not isinstance(argument, bytes):
        return f" {argument!r}"
    if opcode.name in ("LONG1", "LONG4") and len(argument) <= _WHOLE:
        return f" {int.from_bytes(argument, 'little', signed=True)}"
    shown = repr(argument[:_TEXT])
    if opcode.pushes not in ("bytes", "bytearray"):
        shown = visible(argument[:_TEXT].replace(b"\n", b" "))
    return f" {shown}" + (f"... ({len(argument):,} bytes)" if len(argument) > _TEXT else "")
