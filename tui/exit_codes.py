"""What the exit code of every `kwinnow` command means."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum

from checks.engine import Report
from checks.finding import Outcome, OutcomeKind, Severity


class ExitCode(IntEnum):
    HEALTHY = 0
    FOUND = 1  # a finding of warn or error (with --fail-on error: of error)
    USAGE = 2  # a wrong command line, configuration or kubeconfig
    UNKNOWN = 3  # nothing found, but something could not be told
    NOT_WRITTEN = 74  # the output or a recording could not be written (EX_IOERR of sysexits.h)
    INTERRUPTED = 130
    READER_GONE = 141  # as a shell says of a program whose output nobody reads on (`| head`)


def of_report(report: Report, fail_on: Severity) -> ExitCode:
    """The code for a report. Findings of info change nothing."""
    return of_outcomes(report.outcomes, fail_on)


def of_outcomes(outcomes: Iterable[Outcome], fail_on: Severity) -> ExitCode:
    """The code for some outcomes of a report."""
    outcomes = list(outcomes)
    if any(f.severity >= fail_on for o in outcomes for f in o.findings):
        return ExitCode.FOUND
    if any(o.kind in (OutcomeKind.UNKNOWN, OutcomeKind.BROKEN) for o in outcomes):
        return ExitCode.UNKNOWN
    return ExitCode.HEALTHY
