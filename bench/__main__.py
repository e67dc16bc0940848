"""`python -m bench [pods|start|gather|judging …]`: ratios, measured side by side in one run."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable

from bench import gather, judging, pods, start
from bench.pairs import Ratio

PARTS: dict[str, Callable[[argparse.Namespace], list[Ratio]]] = {
    "start": lambda given: start.measure(given.pairs),
    "judging": lambda given: judging.measure(given.pairs),
    "gather": lambda given: gather.measure(given.pairs),
    "pods": lambda given: pods.measure(max(1, given.pairs // 2), given.pods),
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("parts", nargs="*", help=f"what to measure: {', '.join(PARTS)}; default: all")
    parser.add_argument("--pairs", type=int, default=5, help="pairs of runs (pods: half of it)")
    parser.add_argument("--pods", type=int, default=10_000, help="length of the list of pods")
    given = parser.parse_args()
    unknown = [part for part in given.parts if part not in PARTS]
    if unknown or given.pairs < 1:
        parser.error(f"there is no part {unknown[0]}" if unknown else "--pairs is at least 1")
    print(f"Python {sys.version.split()[0]}, {os.cpu_count()} cores; medians of pairs, extremes in brackets")
    for part in given.parts or PARTS:
        for ratio in PARTS[part](given):
            print(ratio, flush=True)


if __name__ == "__main__":
    main()
