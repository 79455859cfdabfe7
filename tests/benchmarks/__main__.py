"""Print every figure against its goal: ``make bench``. Let the machine do nothing else meanwhile.

``--json ROUNDS`` measures with so many rounds each and prints one object per line, for `test_figures`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.benchmarks.figures import FIGURES


def main(arguments: list[str]) -> int:
    if arguments[:1] == ["--json"]:
        for figure in FIGURES:
            if not figure.absolute:
                value = figure.measure(int(arguments[1]))
                print(json.dumps({"name": figure.name, "value": value, "goal": figure.goal}), flush=True)
        return 0
    missed = 0
    print(f"{'figure':<56}{'measured':>10}{'goal':>10}")
    for figure in FIGURES:
        value = figure.measure(7)
        missed += not figure.good(value)
        word = "" if figure.good(value) else "   missed"
        print(f"{figure.name:<56}{figure.spoken(value):>10}{figure.spoken(figure.goal):>10}{word}", flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
