"""The EHRs whose staff must accept what is written, as their adapters declare them: none is named here."""

from __future__ import annotations

from adapters import adapters
from canonical.capabilities import Interaction, Landing, Transport, Write


def _waiting(key: str) -> dict[str, Write]:
    """Return the types whose new entries wait there."""
    writes = adapters()[key].capabilities.writes.items()
    return {
        kind: write for (kind, verb), write in writes if verb is Interaction.CREATE and write.landing is Landing.REVIEW
    }


_HOLDING = {key: waiting for key in sorted(adapters()) if (waiting := _waiting(key))}
#: Its answer names nothing that could be read, and a setting of the practice hides the entries.
(NAMES_NOTHING,) = (key for key, waiting in _HOLDING.items() if any(write.shown_by for write in waiting.values()))
#: Adapter and type of entries that wait, and show once they are accepted.
HELD = [
    (key, kind)
    for key, waiting in _HOLDING.items()
    for kind, write in waiting.items()
    if not write.shown_by and kind in {"AllergyIntolerance", "Condition", "Observation"}
]
#: Its answer names the place at which the entry will be.
NAMES_ITS_PLACE = next(
    key for key, kind in HELD if kind == "AllergyIntolerance" and _HOLDING[key][kind].transport is Transport.REST
)
