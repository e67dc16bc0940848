"""What can be planted in the practice cluster: faults, questions and conditions.

Each is one small function with an id, registered by its decorator. Adding one is adding a function.
"""

from __future__ import annotations

from lab.faults import (  # noqa: F401  importing them registers what they hold
    attach,
    conditions,
    flannel,
    kubelet,
    nodes,
    pause,
    questions,
    runtime,
    services,
    symptoms,
    underlay,
)
from lab.faults.fault import CONDITIONS, FAULTS, QUESTIONS, Condition, Fault, Question, Stage

__all__ = ["CONDITIONS", "FAULTS", "QUESTIONS", "Condition", "Fault", "Question", "Stage"]
