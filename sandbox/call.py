"""One request, understood: what is asked, of what, with which content; not the doing of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from sandbox.json_patch import Step

if TYPE_CHECKING:
    from sandbox.answers import Answer
    from sandbox.personality import Situation


class Interaction(StrEnum):
    """What a request asks for, by FHIR's names."""

    CAPABILITIES = "capabilities"
    CREATE = "create"
    READ = "read"
    VREAD = "vread"
    UPDATE = "update"
    PATCH = "patch"
    DELETE = "delete"
    SEARCH = "search-type"
    HISTORY = "history-instance"
    TRANSACTION = "transaction"
    BATCH = "batch"
    TOKEN = "token"  # noqa: S105 - the name of an interaction
    NONE = "none"


#: Bundles of requests, posted to the base.
BUNDLES = frozenset({Interaction.TRANSACTION, Interaction.BATCH})
WRITES = BUNDLES | {Interaction.CREATE, Interaction.UPDATE, Interaction.PATCH, Interaction.DELETE}


@dataclass(frozen=True, kw_only=True)
class Call:
    """One FHIR request, understood.

    Args:
        headers: lower-cased names.
        pairs: search parameters in order, of the query and of a `_search` form.
        body: the request's bytes.
        resource: the resource a create or update brings, checked.
        patch: the steps a patch brings.
        entries: the requests a bundle brings, in its order.
        native: what answers a request of a vendor's own interface; `groups` are the parts of its path.
        client: who asks, where that is known.
        now: seconds since 1970, what a write is stamped with.
        as_of: a read or search sees what was current then; a create with `conditional_as_of` likewise.
    """

    interaction: Interaction
    type: str = ""
    id: str = ""
    version: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    pairs: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    resource: dict[str, Any] | None = None
    patch: tuple[Step, ...] | None = None
    entries: tuple["Entry", ...] | None = None
    native: "Callable[[Situation], Answer] | None" = None
    groups: Mapping[str, str] = field(default_factory=dict)
    client: str | None = None
    now: float = 0.0
    as_of: float | None = None

    def checked_resource(self) -> dict[str, Any]:
        if self.resource is None:
            raise TypeError("the call was not checked")
        return self.resource

    def checked_patch(self) -> list[Step]:
        if self.patch is None:
            raise TypeError("the call was not checked")
        return list(self.patch)

    def checked_entries(self) -> tuple["Entry", ...]:
        if self.entries is None:
            raise TypeError("the call was not checked")
        return self.entries

    @property
    def is_checked(self) -> bool:
        """Whether the body was held against what it should be."""
        return (self.resource, self.patch, self.entries) != (None, None, None)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One request of a bundle; `full_url` is what other entries call its resource by."""

    full_url: str
    call: Call
