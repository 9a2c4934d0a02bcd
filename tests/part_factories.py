"""Parts of a command as a reviewer is shown them, consistent with themselves."""

from __future__ import annotations

from dataclasses import replace

from canonical.case_views import Choice
from canonical.part_views import PartRow, PartWay
from canonical.review_desk import Verb

BY_HAND = "A person does it in the EHR."


def parts_of_an_incomplete_command() -> tuple[PartRow, ...]:
    """Return two readings that stand, one of them with two ways back and one with none, and the entry that was refused."""
    back = PartWay(
        operation="retract",
        means="enteredInError",
        degree="reversible",
        sentence="By retract, as a command of its own: the entry is marked as entered in error.",
    )
    correct = replace(
        back, operation="correct", means="correctiveEntry", degree="partly", closed_to="It says what is right."
    )
    by_hand = PartWay(
        operation="",
        means="none",
        degree="not",
        sentence=BY_HAND,
        closed_to=BY_HAND,
    )
    return (
        PartRow(
            seq=1,
            what="Record: blood pressure",
            standing="asWritten",
            sentence="In the chart, as it was written, version 1.",
            reference="Observation/o-1f0c3a4e-7b1d-4c3a-9a55-0c6c7c1f7c11",
            version="1",
            ways=(back, correct),
        ),
        PartRow(
            seq=2,
            what="Stop: lisinopril",
            standing="changed",
            sentence="In the chart, and changed there since it was written, version 3; version 2 was written.",
            reference="MedicationStatement/m3",
            version="2",
            ways=(by_hand,),
            note="Somebody changed it since.",
        ),
        PartRow(seq=3, what="Close: a gap", standing="notThere", sentence="Not in the chart: the EHR did not take it."),
    )


def takes_parts_back() -> Choice:
    """Return the choice that takes the picked parts back."""
    return Choice(
        verb=Verb.COMPENSATE,
        label="Take back the parts picked above",
        result="What you pick is taken out of the chart.",
        text_required=True,
        parts=True,
    )
