"""Every check over the recorded examples."""

from __future__ import annotations

import statistics

from bench.pairs import Ratio, seconds, side_by_side


def measure(pairs: int) -> list[Ratio]:
    """Judging against reading the same recording; prints the time a node as well, which no ratio tells."""
    from checks.check import load as load_checks
    from checks.engine import judge
    from facts.catalogue import load
    from facts.examples import STACKS, example, path_of
    from facts.recorded import opened
    from targets.recording import Recording

    checks = load_checks()
    found = []
    for stack in STACKS:
        session = example(stack)
        judge(session)  # derived facts are worked out once

        def judging(session: object = session) -> None:
            judge(session)  # type: ignore[arg-type]

        def reading(stack: str = stack) -> None:
            opened(Recording(path_of(stack))).gather([q.fact for q in load()])

        nodes = len(session.windows_nodes())
        each = statistics.median(seconds(judging) for _ in range(pairs * 3)) / nodes * 1000
        print(f"{stack}: {len(checks)} checks, {each:.1f} ms a node", flush=True)
        found.append(side_by_side(f"{stack}: reading the recording ÷ judging it", judging, reading, pairs))
    return found
