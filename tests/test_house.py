"""The house: the script behind `make`, the built distributions, the documents.

The script runs here with stand-ins for Python, uv and virtualenv that write down what they were asked for, so that
nothing is installed and no network is needed; `make test` itself is the real installation.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

#: all that the script needs of a system, besides a Python or uv
TOOLS = ["cat", "cksum", "cp", "dirname", "find", "mkdir", "mkfifo", "ps", "rm", "sed", "sh", "sleep", "tail"]

#: A Python of which one can say what it is and what it lacks. $VERSION, $LACKS and $STOPS are filled in.
PYTHON = """#!/bin/sh
echo "$(basename_of "$0") $*" >>"$CALLS"
case "$1 ${2:-}" in
    '-c '*) case '$VERSION' in 3.1[1-9]) echo '$VERSION /usr/fake' ;; *) exit 1 ;; esac ;;
    '-m venv') case '$LACKS' in *venv*) mkdir -p "$3/bin"; exit 1 ;; esac; make_environment "$3" pip ;;
    '-m virtualenv') case '$LACKS' in *virtualenv*) exit 1 ;; esac; make_environment "$3" pip ;;
    '-m pip') case '$LACKS' in *network*) echo 'ERROR: no network' >&2; exit 1 ;; esac; wait_if_asked ;;
esac
"""

UV = """#!/bin/sh
echo "uv $*" >>"$CALLS"
case "$1" in
    venv) for last; do :; done; make_environment "$last" '' ;;
esac
"""

VIRTUALENV = """#!/bin/sh
echo "virtualenv $*" >>"$CALLS"
for last; do :; done
make_environment "$last" pip
"""

#: what the stand-ins share
LIBRARY = """
basename_of() { echo "${1##*/}"; }
make_environment() {
    mkdir -p "$1/bin"
    cp "$TEMPLATE" "$1/bin/python"
    [ -z "$2" ] || cp "$TEMPLATE" "$1/bin/pip"
}
wait_if_asked() {
    [ -n "$GATE" ] || return 0
    trap 'echo stopped >>"$CALLS"; exit 143' TERM
    echo waiting >"$GATE"
    while :; do sleep 0.05; done
}
"""


class House:
    """A copy of the house without its rooms, in a folder with a blank in its name, and a PATH made to order."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "a house"
        self.bin = folder / "bin"
        self.calls_file = folder / "calls"
        self.gate = folder / "gate"
        self.template = folder / "template"
        (self.root / ".ci").mkdir(parents=True)
        self.bin.mkdir()
        for name in (".ci/environment", "pyproject.toml", "Makefile"):
            shutil.copy(ROOT / name, self.root / name)
        for tool in TOOLS:
            where = shutil.which(tool)
            assert where is not None
            (self.bin / tool).symlink_to(where)
        self.install("template", PYTHON, version="3.12", where=self.template)

    def install(
        self, name: str, program: str = PYTHON, *, version: str = "3.12", lacks: str = "", where: Path | None = None
    ) -> None:
        """Put a stand-in on the PATH."""
        head, rest = program.split("\n", 1)
        path = where or self.bin / name
        path.write_text(head + LIBRARY + rest.replace("$VERSION", version).replace("$LACKS", lacks))
        path.chmod(0o755)

    def environment(self, **more: str) -> dict[str, str]:
        return {
            "PATH": str(self.bin),
            "CALLS": str(self.calls_file),
            "TEMPLATE": str(self.template),
            "GATE": "",
            **more,
        }

    def run(self, word: str = "demo", **more: str) -> subprocess.CompletedProcess[str]:
        """Run the script as if from somewhere else, without a terminal."""
        return subprocess.run(
            ["sh", str(self.root / ".ci/environment"), word],
            cwd=self.root.parent,
            env=self.environment(**more),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def contents(self) -> list[str]:
        """What stands in the folder of the house."""
        return sorted(path.name for path in self.root.iterdir())

    def calls(self) -> list[str]:
        """What the stand-ins were asked for since the last look, without the questions after their version."""
        lines = self.calls_file.read_text().splitlines() if self.calls_file.exists() else []
        self.calls_file.write_text("")
        return [line for line in lines if " -c " not in line]


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def complaint(result: subprocess.CompletedProcess[str]) -> str:
    """The one sentence with which the script gave up."""
    assert result.returncode == 1
    said = result.stderr.splitlines()
    assert said[-1].startswith("pbshell: ")
    return said[-1].removeprefix("pbshell: ")


MADE = "-m venv .venv"
PIP = "python -m pip --disable-pip-version-check --no-input install --quiet --editable"
TOUR = "python -m pbshell demo --tour"


# Which Python


def test_the_first_run_makes_an_environment_and_gives_the_tour(house: House) -> None:
    house.install("python3")

    result = house.run()

    assert result.returncode == 0
    assert house.calls() == [f"python3 {MADE}", f"{PIP} .", TOUR]
    assert house.contents() == [".ci", ".venv", "Makefile", "pyproject.toml"]


def test_an_old_python3_first_in_path_is_passed_over(house: House) -> None:
    house.install("python3", version="3.8")
    house.install("python3.11", version="3.11")

    house.run()

    assert house.calls()[0] == f"python3.11 {MADE}"


def test_the_newest_python_is_taken_first(house: House) -> None:
    for minor in (11, 13, 14):
        house.install(f"python3.{minor}", version=f"3.{minor}")

    house.run()

    assert house.calls()[0] == f"python3.14 {MADE}"


def test_PYTHON_comes_before_all_others(house: House, tmp_path: Path) -> None:
    house.install("python3.14", version="3.14")
    house.install("chosen", where=tmp_path / "the chosen one")

    house.run(PYTHON=str(tmp_path / "the chosen one"))

    assert house.calls()[0] == f"the chosen one {MADE}"


def test_a_PYTHON_that_is_too_old_is_named_and_passed_over(house: House) -> None:
    house.install("python3.9", version="3.9")
    house.install("python3.12")

    result = house.run(PYTHON="python3.9")

    assert house.calls()[0] == f"python3.12 {MADE}"
    assert "PYTHON=python3.9 is not Python 3.11 or newer" in result.stderr


def test_a_name_of_python_that_does_not_run_is_passed_over(house: House) -> None:
    (house.bin / "python3.13").write_text("#!/nowhere/python\n")
    (house.bin / "python3.13").chmod(0o755)
    house.install("python3")

    house.run()

    assert house.calls()[0] == f"python3 {MADE}"


def test_without_a_python_uv_fetches_one(house: House) -> None:
    house.install("python3", version="3.8")
    house.install("uv", UV)

    house.run()

    assert house.calls() == [
        "uv venv --python >=3.11 .venv",
        "uv pip install --quiet --python .venv/bin/python --editable .",
        TOUR,
    ]


@pytest.mark.parametrize("where", [".local/bin", "Library/Python/3.8/bin"], ids=["Linux", "macOS"])
def test_what_pip_has_installed_for_the_user_is_found(house: House, tmp_path: Path, where: str) -> None:
    (tmp_path / "home" / where).mkdir(parents=True)
    house.install("uv", UV, where=tmp_path / "home" / where / "uv")

    assert house.run(HOME=str(tmp_path / "home")).returncode == 0


@pytest.mark.parametrize(
    ("there", "mended_by"),
    [
        (["python3"], "python3 -m pip install --user uv"),
        (["brew"], "brew install python"),
        (["python3", "dnf"], "sudo dnf install python3.12"),
        (["apt-get"], "sudo apt-get install python3 python3-venv"),
        ([], "PYTHON=/path/to/python3 sh .ci/environment demo"),
        (["make"], "PYTHON=/path/to/python3 make demo"),
    ],
)
def test_without_python_and_uv_the_sentence_says_what_to_install(
    house: House, there: list[str], mended_by: str
) -> None:
    for name in there:
        house.install(name, version="3.8")

    assert complaint(house.run()).endswith(mended_by)
    assert not (house.root / ".venv").exists()


# How the environment is made


def test_without_venv_uv_makes_the_environment(house: House) -> None:
    house.install("python3", lacks="venv")
    house.install("uv", UV)

    assert house.run().returncode == 0
    assert house.calls() == [
        f"python3 {MADE}",
        "uv venv --python python3 .venv",
        "uv pip install --quiet --python .venv/bin/python --editable .",
        TOUR,
    ]


def test_without_venv_and_uv_virtualenv_makes_the_environment(house: House) -> None:
    house.install("python3", lacks="venv")
    house.install("virtualenv", VIRTUALENV)

    assert house.run().returncode == 0
    assert house.calls()[1:] == ["virtualenv --python python3 .venv", f"{PIP} .", TOUR]


def test_a_virtualenv_that_is_only_a_module_serves_too(house: House) -> None:
    house.install("python3", lacks="venv")

    assert house.run().returncode == 0
    assert house.calls()[1:] == ["python3 -m virtualenv .venv", f"{PIP} .", TOUR]


@pytest.mark.parametrize(
    ("there", "mended_by"),
    [([], "python3 -m pip install --user virtualenv"), (["apt-get"], "sudo apt-get install python3.12-venv")],
)
def test_without_any_of_the_three_the_sentence_says_what_to_install(
    house: House, there: list[str], mended_by: str
) -> None:
    house.install("python3", lacks="venv virtualenv")
    for name in there:
        house.install(name)

    assert complaint(house.run()).endswith(mended_by)
    assert house.contents() == [".ci", ".venv.log", "Makefile", "pyproject.toml"]


def test_an_install_that_fails_is_told_with_its_reason_and_tried_again(house: House) -> None:
    house.install("template", lacks="network", where=house.template)
    house.install("python3")

    said = complaint(house.run())
    assert "(ERROR: no network)" in said
    assert said.endswith("cat .venv.log && sh .ci/environment demo")
    assert "ERROR: no network" in (house.root / ".venv.log").read_text()

    house.install("python", where=house.root / ".venv/bin/python")
    house.calls()
    assert house.run().returncode == 0
    assert house.calls() == [f"{PIP} .", TOUR]


# The second run


def test_a_second_run_installs_nothing(house: House) -> None:
    house.install("python3")
    house.run()
    house.calls()

    result = house.run()

    assert (result.returncode, result.stderr) == (0, "")
    assert house.calls() == [TOUR]


def test_the_tests_need_more_and_then_the_demo_has_all(house: House) -> None:
    house.install("python3")
    house.run("demo")
    house.calls()

    assert house.run("test").returncode == 0
    assert house.calls()[:5] == [
        f"{PIP} .[test]",
        "python -m ruff check",
        "python -m ruff format --check",
        "python -m mypy",
        "python -m coverage run -m pytest --hypothesis-profile=ci",
    ]
    house.run("demo")
    assert house.calls() == [TOUR]


def test_a_changed_pyproject_is_installed_again_into_the_same_environment(house: House) -> None:
    house.install("python3")
    house.run()
    house.calls()
    with (house.root / "pyproject.toml").open("a") as file:
        file.write("# changed\n")

    house.run()

    assert house.calls() == [f"{PIP} .", TOUR]


def test_a_moved_folder_gets_a_new_environment(house: House) -> None:
    """An environment names its folder in every program it holds, and pbshell's folder besides."""
    house.install("python3")
    house.run()
    house.calls()
    house.root = house.root.rename(house.root.with_name("another house"))

    house.run()

    assert house.calls() == [f"python3 {MADE}", f"{PIP} .", TOUR]


def test_another_PYTHON_gets_a_new_environment(house: House) -> None:
    house.install("python3")
    house.install("python3.13", version="3.13")
    house.run(PYTHON="python3")
    house.calls()

    result = house.run(PYTHON="python3.13")

    assert "making .venv anew" in result.stderr
    assert house.calls()[0] == f"python3.13 {MADE}"


def test_an_environment_whose_python_has_gone_is_made_anew(house: House) -> None:
    house.install("python3")
    house.run()
    house.calls()
    (house.root / ".venv/bin/python").unlink()

    assert house.run().returncode == 0
    assert house.calls() == [f"python3 {MADE}", f"{PIP} .", TOUR]


def test_a_foreign_environment_is_not_touched(house: House) -> None:
    house.install("python3")
    (house.root / ".venv/bin").mkdir(parents=True)

    assert complaint(house.run()).endswith("mv .venv .venv.mine")
    assert house.calls() == []
    assert (house.root / ".venv/bin").is_dir()


def test_an_environment_of_uv_without_uv_says_how_to_make_it_anew(house: House) -> None:
    house.install("uv", UV)
    house.run("demo")
    (house.bin / "uv").unlink()

    assert complaint(house.run("test")).endswith("rm -rf .venv && sh .ci/environment test")


# Interruption


@pytest.fixture
def half_way(house: House) -> Iterator[tuple[House, subprocess.Popen[str]]]:
    """A first run that is in the middle of installing."""
    os.mkfifo(house.gate)
    house.install("python3")
    run = subprocess.Popen(
        ["sh", ".ci/environment", "demo"],
        cwd=house.root,
        env=house.environment(GATE=str(house.gate)),
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    # Opening waits for the installer, which opens the other end.
    assert house.gate.read_text() == "waiting\n"
    house.calls()
    yield house, run
    if run.poll() is None:
        os.killpg(run.pid, signal.SIGKILL)
        run.wait()
    assert run.stderr is not None
    run.stderr.close()


@pytest.mark.parametrize("to_all", [True, False], ids=["Ctrl-C", "only the script"])
def test_an_interrupted_run_ends_its_installer_and_the_next_starts_over(
    half_way: tuple[House, subprocess.Popen[str]], to_all: bool
) -> None:
    house, run = half_way

    if to_all:
        os.killpg(run.pid, signal.SIGINT)
    else:
        os.kill(run.pid, signal.SIGINT)
    said = run.communicate()[1]

    assert run.returncode == 130
    assert "interrupted; the next run starts over: sh .ci/environment demo" in said
    assert house.calls() == ["stopped"]
    result = house.run()
    assert result.returncode == 0
    assert "an earlier run was interrupted; starting over" in result.stderr
    assert house.calls() == [f"python3 {MADE}", f"{PIP} .", TOUR]
    assert house.contents() == [".ci", ".venv", "Makefile", "pyproject.toml"]


def test_a_run_that_was_killed_is_repaired_by_the_next(half_way: tuple[House, subprocess.Popen[str]]) -> None:
    house, run = half_way
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()

    assert house.run().returncode == 0
    assert house.calls() == [f"python3 {MADE}", f"{PIP} .", TOUR]


def test_a_second_run_at_the_same_time_does_not_disturb_the_first(
    half_way: tuple[House, subprocess.Popen[str]],
) -> None:
    house, run = half_way

    assert complaint(house.run()).endswith(f"kill {run.pid}")
    assert house.calls() == []
    assert (house.root / ".venv/made-with").exists()


def test_a_number_that_has_become_another_process_is_not_taken_for_a_run(house: House) -> None:
    house.install("python3")
    (house.root / ".venv.unfinished").write_text(f"{os.getpid()}\n")

    assert house.run().returncode == 0


# What else it says


def test_without_a_word_it_says_which_there_are(house: House) -> None:
    result = house.run("")

    assert result.returncode == 2
    assert result.stderr == "pbshell: say what to do: sh .ci/environment demo|test|bench|lint|clean\n"


def test_a_failed_check_fails_the_run(house: House) -> None:
    house.install("python3")
    house.run("test")
    ruff_fails = PYTHON.replace("esac\n", "    '-m ruff') exit 3 ;;\nesac\n")
    house.install("python", ruff_fails, where=house.root / ".venv/bin/python")
    house.calls()

    assert house.run("test").returncode != 0
    assert house.calls() == ["python -m ruff check"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_to_is_named(house: House) -> None:
    house.install("python3")
    house.root.chmod(0o555)

    said = complaint(house.run())
    house.root.chmod(0o755)

    assert "cannot be written to" in said


@pytest.mark.parametrize("word", ["demo", "test", "bench", "lint", "clean"])
def test_make_knows_the_words_of_the_script(word: str) -> None:
    make = shutil.which("make")
    if make is None:
        pytest.skip("no make here")
    # Inside "make test" this make would be a recursive one, which says so.
    alone = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    result = subprocess.run([make, "-n", word], cwd=ROOT, env=alone, capture_output=True, text=True, check=True)

    assert result.stdout == f"sh .ci/environment {word}\n"


def test_machines_run_what_people_run() -> None:
    run = ROOT / ".ci/run"

    assert os.access(run, os.X_OK)
    assert run.read_text().splitlines()[-1] == "exec make test"


# The distributions


def built(kind: str, source: Path, target: Path) -> Path:
    """Build a *kind* of distribution of *source*, without a network."""
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", str(target)],
        cwd=source,
        check=True,
        capture_output=True,
    )
    (distribution,) = target.iterdir()
    return distribution


def test_the_wheel_made_from_the_sdist_holds_the_library_the_plugins_and_nothing_else(tmp_path: Path) -> None:
    with tarfile.open(built("sdist", ROOT, tmp_path / "sdist")) as sdist:
        sdist.extractall(tmp_path / "unpacked", filter="data")
    (unpacked,) = (tmp_path / "unpacked").iterdir()

    with zipfile.ZipFile(built("wheel", unpacked, tmp_path / "wheel")) as wheel:
        names = wheel.namelist()
        entry_points = next(wheel.read(name) for name in names if name.endswith("entry_points.txt"))

    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == {"pbshell", "pbshell_plugins"}
    assert "pbshell/py.typed" in names
    assert b"pbshell = pbshell.__main__:main" in entry_points
    ours = {path.relative_to(ROOT).as_posix() for path in (ROOT / "pbshell").rglob("*.py")}
    theirs = {path.relative_to(ROOT / "plugins").as_posix() for path in (ROOT / "plugins").rglob("*.py")}
    assert {name for name in names if name.endswith(".py")} == ours | theirs


# The documents


DOCUMENTS = sorted(
    path.relative_to(ROOT).as_posix()
    for path in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("*.md")]
)


def anchors(path: Path) -> set[str]:
    """The places in a Markdown file that a link may name: its headings, as the usual viewers spell them."""
    headings = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_link_in_a_document_leads_somewhere(document: str) -> None:
    path = ROOT / document
    text = re.sub(r"^```.*?^```", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" in link:
            continue
        place, _, anchor = link.partition("#")
        target = (path.parent / place) if place else path
        assert target.exists(), f"{document} links to {link}"
        assert not anchor or anchor in anchors(target), f"{document} links to {link}"


def test_the_index_of_the_documentation_names_every_page() -> None:
    index = (ROOT / "docs/README.md").read_text(encoding="utf-8")
    pages = [document.removeprefix("docs/") for document in DOCUMENTS if document.startswith("docs/")]

    assert [page for page in pages if page != "README.md" and f"]({page})" not in index] == []


def test_the_license_is_the_one_that_is_declared() -> None:
    assert (ROOT / "LICENSE").read_text(encoding="utf-8").startswith("MIT License")
    assert 'license = "MIT"' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")
