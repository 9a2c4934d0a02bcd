"""What an operation is to its command, and which of them may be sent later without those before them being sent anew. No check.

What an action declares of it is in its ``ActionSpec``; whether the chart still allows it is looked up each time.
"""

from __future__ import annotations

from enum import StrEnum


class Role(StrEnum):
    """What one operation of a command is."""

    #: One of the actions that a compound consists of, or a change that its own entry entails.
    PART = "part"
    #: The command's own entry, which later commands mean when they name it.
    OWN = "own"
    #: The chart's record of who and what made it.
    PROVENANCE = "provenance"


#: A Provenance says who made what stands there: later is as good, while its targets are as they were written.
PROVENANCE_ONLY = frozenset({Role.PROVENANCE})
#: Each part stands for itself, and the own entry only refers to them: any rest makes whole what was meant.
ANY_REST = frozenset(Role)
