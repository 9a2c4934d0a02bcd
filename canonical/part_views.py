"""What a reviewer is shown of a command that is in the chart only in part: each part, and how it could be undone. In words."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class PartWay:
    """One way to undo a part: ``operation`` is what is picked (empty: only a person can, in the EHR).

    ``means`` and ``degree`` as in :mod:`canonical.compensation_catalogue`; ``closed_to`` says why it is not to be picked.
    """

    operation: str
    means: str
    degree: str
    sentence: str
    closed_to: str = ""


@dataclass(frozen=True, kw_only=True)
class PartRow:
    """One part of a command that is in the chart only in part, in the order of writing; ``seq`` counts from 1.

    ``what`` it is, and in a ``sentence`` how it stands, read just now; ``standing`` is a :class:`canonical.parts.Standing`;
    ``reference`` and ``version`` are what was written, where the EHR told it; ``ways`` how it could be undone, none unless it
    stands; ``note`` what else is to be known.
    """

    seq: int
    what: str
    standing: str
    sentence: str
    reference: str = ""
    version: str = ""
    ways: tuple[PartWay, ...] = ()
    note: str = ""
