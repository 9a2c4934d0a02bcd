"""Which content only those see who say why they must: by the labels that its sender put on it. It lets nobody in or out.

Source: HL7 v3 code systems Confidentiality (R, V) and ActCode (information sensitivity policies), release 3.1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

CONFIDENTIALITY = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
#: What may be seen as usual. R and V restrict, and a label of any other system names a sensitive class: substance use,
#: psychotherapy, HIV and so on.
_HARMLESS = frozenset({"N", "L", "M", "U"})


def is_restricted(labels: Sequence[Mapping[str, Any]]) -> bool:
    """Whether ``labels`` (``Coding``s, the envelope's ``securityLabel``) restrict who may look; an unknown label does."""
    return any(not (label.get("system") == CONFIDENTIALITY and label.get("code") in _HARMLESS) for label in labels)
