"""What the shell offers for an argument. Cheap by rule: no cluster is asked, and what fails offers nothing."""

from __future__ import annotations

import click


def _fitting(names: list[str], begun: str) -> list[str]:
    return [name for name in names if name.startswith(begun)]


def check_ids(ctx: click.Context, param: click.Parameter, begun: str) -> list[str]:
    """The ids of the checks."""
    from checks.check import load

    return _fitting([str(i) for i in load()], begun)


def step_ids(ctx: click.Context, param: click.Parameter, begun: str) -> list[str]:
    """The ids of the checks that a step mends."""
    from playbooks.step import steps

    return _fitting([str(i) for i in steps()], begun)


def fact_names(ctx: click.Context, param: click.Parameter, begun: str) -> list[str]:
    """The names of the facts."""
    from facts.catalogue import load

    return _fitting([question.name for question in load()], begun)


def contexts(ctx: click.Context, param: click.Parameter, begun: str) -> list[str]:
    """The contexts of the kubeconfig that is named so far."""
    from targets.errors import TargetError
    from targets.kubeconfig import load

    try:
        found = load(ctx.params.get("kubeconfig"))
    except TargetError:  # the command itself says what is wrong with the file
        return []
    return _fitting([c.name for c in found.contexts()], begun)
