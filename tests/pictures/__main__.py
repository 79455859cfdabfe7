"""Make the pictures of the documentation anew, from real runs: ``python tests/pictures [FOLDER]``.

Look at them before they are checked in: a picture shows what was on a screen, not whether it was right.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from tests.pictures.camera import picture  # noqa: E402 (the line before says where it is)
from tests.pictures.scenes import SCENES  # noqa: E402


def main(arguments: list[str]) -> int:
    folder = Path(arguments[0]) if arguments else ROOT / "docs" / "pictures"
    folder.mkdir(parents=True, exist_ok=True)
    for name, scene in SCENES.items():
        with scene() as terminal:
            (folder / f"{name}.svg").write_text(
                picture(terminal.screen, (scene.__doc__ or name).rstrip(".")), encoding="utf-8"
            )
        print(folder / f"{name}.svg")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
