"""Why a machine did not go on by itself, in words for people. All copy on rulings is here; it decides nothing."""

from __future__ import annotations

from canonical.policy import Direction

#: Reason of a verdict → the sentence that a page shows.
REASONS: dict[str, str] = {
    "already-there": "The chart says this already.",
    "overlapping": "The chart changed where this would change it too.",
    "moved": "The chart changed after the author looked, and this is not merged without a person.",
    "not-as-seen": "The entry is not known to be as its author saw it.",
    "whole-entry": "This speaks of the entry as a whole, and the entry changed or was not seen whole.",
    "not-merged-by-machine": "Changes of this kind are not merged by a machine.",
    "not-ours": "This is somebody else's to say; we do not write it.",
    "reviewer-owns": "A reviewer decides every change of this.",
    "chart-owns": "What the chart says here is not replaced without a person.",
    "not-an-addition": "This would change or remove what stands in a list that is only added to.",
    "unseen-value": "The chart says something here that the author did not see.",
    "always-a-person": "A person always decides this.",
    "author-not-licensed": "Its author may not decide this alone.",
    "lowers-risk": "This takes a warning out of the chart.",
    "high-alert-medicine": "This is a high-alert medicine, and no prescriber or pharmacist who logged in wrote it.",
    "ai-authored": "A model wrote this.",
}
#: What a change does to the risks that the chart tells of: a sign and words, never a colour alone.
DIRECTIONS: dict[Direction, str] = {
    Direction.ADDS: "▲ raises risk",
    Direction.REDUCES: "▼ lowers risk",
    Direction.NEUTRAL: "",
}
