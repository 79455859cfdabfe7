"""What the documents say of the code is true: tables, trees, anchors, tests that are named, programs that run.

Tables that the code determines stand between ``<!-- table: NAME -->`` and ``<!-- end -->``. After a change that is
meant, bring them up to date and read the difference:

    python tests/test_docs.py
"""

from __future__ import annotations

import ast
import dataclasses
import functools
import gc
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pbshell import errors, pb
from pbshell.testing import loopback
from pbshell.wire.banana import WORDS
from pbshell.wire.chunk import Side
from pbshell.wire.limits import Limits
from pbshell.wire.tags import TAGS, Shape
from pbshell.wire.verbs import VERBS, Form
from pbshell.workbench.settings import SETTINGS

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
COVERAGE = DOCS / "reference/coverage.md"
WIRE = DOCS / "reference/wire.md"
PAGES = sorted(path.relative_to(ROOT).as_posix() for path in [ROOT / "README.md", *DOCS.rglob("*.md")])

#: Statements of the manual that have a row and a test.
STATEMENTS = range(1, 201)


def text_of(page: str | Path) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def section(page: Path, heading: str) -> str:
    """What stands below *heading*, up to the next one of its level."""
    level, _, _ = heading.partition(" ")
    match = re.search(rf"^{heading}$(.*?)(?=^{level} |\Z)", text_of(page), re.MULTILINE | re.DOTALL)
    assert match, f"{page} has no {heading!r}"
    return match[1]


def rows(text: str) -> list[list[str]]:
    """The cells of all table rows in *text* but for heads and rules."""
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    found = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]
    return [row for row in found if re.fullmatch(r"[BR]?\d+", row[0])]


@functools.cache
def named_tests(path: str) -> dict[str, str]:
    """The tests of a file, as ``name`` or ``Class::name``, and their docstrings."""
    found: dict[str, str] = {}

    def look(body: list[ast.stmt], prefix: str) -> None:
        for each in body:
            if isinstance(each, ast.ClassDef):
                look(each.body, f"{each.name}::")
            elif isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef) and each.name.startswith("test_"):
                found[prefix + each.name] = ast.get_docstring(each) or ""

    look(ast.parse(text_of(path)).body, "")
    return found


# --------------------------------------------------------------------------------------- tests that are named


@pytest.mark.parametrize("page", PAGES)
def test_every_test_that_a_page_names_exists(page: str) -> None:
    for path, name in re.findall(r"`(tests/[\w/]+\.py)::([\w:]+)`", text_of(page)):
        assert (ROOT / path).exists(), path
        assert name in named_tests(path), f"{path} has no {name}"


def test_every_statement_of_the_manual_has_a_row() -> None:
    assert [row[0] for row in rows(text_of(COVERAGE))] == [f"B{number}" for number in STATEMENTS]


def test_the_row_of_a_statement_names_its_tests_and_they_name_it() -> None:
    for number, statement, document, shown, _ in rows(text_of(COVERAGE)):
        assert statement, number
        assert document, number
        named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", shown)
        assert named, number
        for path, name in named:
            if path.startswith("tests/manual/"):
                doc = named_tests(path)[name]
                assert re.match(rf"{number}[.:]", doc), f"the docstring of {name} begins with {number}"


def test_every_test_of_the_manual_stands_in_a_row() -> None:
    named = set(re.findall(r"`(tests/manual/\w+\.py)::(\w+)`", text_of(COVERAGE)))
    files = [path.relative_to(ROOT).as_posix() for path in (ROOT / "tests/manual").glob("test_*.py")]

    assert {(path, name) for path in files for name in named_tests(path)} == named


def named_in(heading: str) -> Iterator[tuple[str, list[str]]]:
    """The first cell of each row below *heading*, and the tests that its last one names."""
    for row in rows(section(WIRE, heading)):
        yield row[0], re.findall(r"`(test_\w+)`", row[-1])


def test_every_trap_has_a_row_that_names_its_tests() -> None:
    path = "tests/conformance/test_traps.py"
    traps = dict(named_in("## Traps"))

    assert list(traps) == [str(number) for number in range(1, 52)]
    for number, names in traps.items():
        assert names
        assert all(name.startswith(f"test_trap_{int(number):02}_") for name in names)
    assert {name for names in traps.values() for name in names} == {
        name for name in named_tests(path) if name.startswith("test_trap_")
    }


def test_every_intended_difference_has_a_row_that_names_its_tests() -> None:
    path = "tests/conformance/test_defects.py"
    differences = dict(named_in("## Intended differences"))

    assert list(differences) == [f"R{number}" for number in range(1, 17)]
    for number, names in differences.items():
        assert names
        assert all(f"_r{int(number[1:]):02}_" in name for name in names)
    assert {name for names in differences.values() for name in names} == {
        name for name in named_tests(path) if re.match(r"test_r\d\d_", name)
    }


# --------------------------------------------------------------------------------------- anchors


def anchors(page: Path) -> set[str]:
    """The places in a page that can be linked to: its headings, as the usual viewers spell them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


SOURCES = sorted(
    path for folder in ("pbshell", "plugins", "tests", "examples") for path in (ROOT / folder).rglob("*.py")
)


def test_every_page_and_place_that_the_code_refers_to_exists() -> None:
    referred = set()
    for source in SOURCES:
        for page, anchor in re.findall(r"\b(docs/[\w/-]+\.md)(?:#([\w-]+))?", source.read_text(encoding="utf-8")):
            referred.add(f"{page}#{anchor}")
            assert (ROOT / page).exists(), f"{source} refers to {page}"
            assert not anchor or anchor in anchors(ROOT / page), f"{source} refers to {page}#{anchor}"
    for needed in ("banana", "prefix", "which-delimiter-an-encoder-uses", "verbs", "jelly", "errors", "login", "traps"):
        assert needed in anchors(WIRE)
    assert f"{WIRE.relative_to(ROOT).as_posix()}#jelly" in referred


# --------------------------------------------------------------------------------------- tables that follow the code


def words_table() -> Iterator[str]:
    """Four columns of numbers and words, read downwards."""
    columns = 4
    height = -(-len(WORDS) // columns)
    yield "|" + " No. | Word |" * columns
    yield "|" + "---|---|" * columns
    for line in range(height):
        cells = [
            (str(number + 1), f"`{WORDS[number].decode()}`") if number < len(WORDS) else ("", "")
            for number in range(line, columns * height, height)
        ]
        yield "|" + "".join(f" {number} | {word} |" for number, word in cells)


def items_behind(shape: Shape) -> str:
    if shape.most is None:
        return f"{shape.fewest} or more"
    return str(shape.most) if shape.most == shape.fewest else f"{shape.fewest} to {shape.most}"


def tags_table() -> Iterator[str]:
    yield "| Tag | Items behind it | Which of them are jelly | What it means |"
    yield "|---|---|---|---|"
    for tag, shape in TAGS.items():
        jelly, _, _ = shape.values.value.partition(":")
        yield f"| `{tag.decode()}` | {items_behind(shape)} | {jelly} | {shape.means} |"


SPOKEN = {int: "integer", float: "float", bytes: "string", list: "list"}


def field_of(form: Form, position: int) -> str:
    types = dict(form.types).get(position + 1)
    name = f"`{form.fields[position]}`"
    return name if types is None else f"{name} ({', '.join(SPOKEN[each] for each in types)})"


def verbs_table() -> Iterator[str]:
    yield "| Verb | Fields |"
    yield "|---|---|"
    for word, form in VERBS.items():
        yield f"| `{word.decode()}` | {', '.join(field_of(form, position) for position in range(len(form.fields)))} |"


def limits_table() -> Iterator[str]:
    """Each field of Limits with its default, and the comment that explains it."""
    source = text_of("pbshell/wire/limits.py")
    yield "| Limit | Default | What is counted |"
    yield "|---|---|---|"
    for field in dataclasses.fields(Limits):
        comment = re.search(rf"((?: *#: .*\n)+) *{field.name}: int", source)
        assert comment, f"{field.name} has no comment"
        meaning = " ".join(line.strip().removeprefix("#: ") for line in comment[1].splitlines())
        yield f"| `{field.name}` | {field.default:,} | {meaning} |"


def settings_table() -> Iterator[str]:
    yield "| Setting | What it is for | What it can be | Default |"
    yield "|---|---|---|---|"
    for each in SETTINGS.values():
        yield f"| `{each.name}` | {each.help} | {each.wanted} | `{each.written(each.default)}` |"


def errors_tree() -> Iterator[str]:
    """The tree of the module's docstring."""
    _, _, rest = (errors.__doc__ or "").partition("::\n\n")
    tree, _, _ = rest.partition("\n\n")
    yield "```text"
    for line in tree.splitlines():
        yield line.removeprefix("    ").rstrip()
    yield "```"


def wire_names_table() -> Iterator[str]:
    yield "| Here | On the wire, and at a Twisted peer |"
    yield "|---|---|"
    for cls, names in errors.WIRE_NAMES.items():
        yield f"| `{cls.__name__}` | `{names[0]}` |"


TABLES: dict[str, tuple[str, Callable[[], Iterator[str]]]] = {
    "words": ("docs/reference/wire.md", words_table),
    "tags": ("docs/reference/wire.md", tags_table),
    "verbs": ("docs/reference/wire.md", verbs_table),
    "limits": ("docs/reference/limits.md", limits_table),
    "errors": ("docs/reference/errors.md", errors_tree),
    "wire names": ("docs/reference/errors.md", wire_names_table),
    "settings": ("docs/reference/settings.md", settings_table),
}


def place_of(name: str, text: str) -> re.Match[str]:
    match = re.search(rf"(<!-- table: {name} -->\n)(.*?)(<!-- end -->)", text, re.DOTALL)
    assert match, f"there is no place for the table {name!r}"
    return match


def write() -> None:
    """Bring all tables up to date."""
    for name, (page, table) in TABLES.items():
        text = text_of(page)
        place = place_of(name, text)
        body = "\n".join(["", *table(), "", ""])
        (ROOT / page).write_text(text[: place.start(2)] + body + text[place.end(2) :], encoding="utf-8")


@pytest.mark.parametrize("name", TABLES)
def test_a_table_says_what_the_code_says(name: str) -> None:
    page, table = TABLES[name]

    assert place_of(name, text_of(page))[2].strip().splitlines() == list(table()), "meant? python tests/test_docs.py"


@pytest.mark.parametrize("page", PAGES)
def test_every_place_for_a_table_is_known(page: str) -> None:
    names = re.findall(r"<!-- table: (.*?) -->", text_of(page))
    assert names == [name for name, (where, _) in TABLES.items() if where == page]


def test_every_error_stands_in_the_tree() -> None:
    tree = "\n".join(errors_tree())

    assert all(re.search(rf"\b{name}\b", tree) for name in errors.__all__)


# --------------------------------------------------------------------------------------- the dialogue


class Two(pb.Referenceable):
    def remote_three(self, number: int) -> int:
        return number * 2


class One(pb.Root):
    def remote_getTwo(self) -> Two:
        return Two()


def test_the_dialogue_of_the_handshake_is_what_two_ends_say() -> None:
    (dialogue,) = re.findall(r"^    S  .*?\n\n", section(WIRE, "## Handshake"), re.MULTILINE | re.DOTALL)
    shown = {Side.CLIENT: b"", Side.SERVER: b""}
    sender = Side.SERVER
    for line in dialogue.strip().splitlines():
        data, _, _ = re.sub(r" {3,}", "\t", line.strip()).partition("\t")
        if data[0] in "SC":
            sender = Side.SERVER if data[0] == "S" else Side.CLIENT
        for text, byte in re.findall(r'"(\w+)"|\b([0-9a-f]{2})\b', data):
            shown[sender] += text.encode() or bytes.fromhex(byte)

    loop = loopback(One())
    call = loop.root.callRemote("getTwo")
    loop.run()
    call.result.callRemote("three", 12)
    loop.run()
    del call
    gc.collect()
    loop.run()
    assert loop.sent == shown


# --------------------------------------------------------------------------------------- programs


def programs() -> Iterator[tuple[str, str, str | None]]:
    """Each program marked ``<!-- run -->``: where it stands, its text, and what it prints if that is shown below."""
    marked = re.compile(r"<!-- run -->\n```python\n(.*?)^```$(?:\n\n```text\n(.*?)^```$)?", re.MULTILINE | re.DOTALL)
    for page in PAGES:
        for number, match in enumerate(marked.finditer(text_of(page)), 1):
            yield f"{page} no. {number}", match[1], match[2]


PROGRAMS = list(programs())


@pytest.mark.parametrize(("program", "printed"), [each[1:] for each in PROGRAMS], ids=[each[0] for each in PROGRAMS])
def test_a_program_runs_and_prints_what_is_shown(program: str, printed: str | None, tmp_path: Path) -> None:
    path = tmp_path / "program.py"
    path.write_text(program, encoding="utf-8")

    ran = subprocess.run(
        [sys.executable, "-W", "error", str(path)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout == (printed or "")


def test_every_mark_to_run_stands_before_a_program() -> None:
    assert sum(text_of(page).count("<!-- run -->") for page in PAGES) == len(PROGRAMS)


if __name__ == "__main__":
    write()
