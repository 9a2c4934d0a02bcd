"""What an entry says as compared with what we wrote, as one digest: two that are equal mean the same. Pure."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from canonical import exact_json

if TYPE_CHECKING:
    from canonical.ports import Ehr, Operation, Resource


def sight_digest(ehr: Ehr, operation: Operation, resource: Resource) -> bytes:
    """Return the SHA-256 of what ``resource`` means, with whatever else differs from what ``operation`` wrote."""
    said = ehr.project(resource)
    beyond = {name: resource.get(name) for name in ehr.differences(operation, resource) if name not in said}
    return hashlib.sha256(exact_json.canonical_bytes([said, beyond])).digest()
