"""What the replay door takes and answers, as models: the shapes in OpenAPI are these. No clinical content."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field, StringConstraints

from api.models import Document
from canonical.clinical_time import SystemTime
from canonical.datatypes import Boolean, Element
from canonical.envelope import CommandId, Token
from canonical.lifecycle import State
from canonical.replay import WHY, ItemState, Mode, Replay, ReplayItem, ReplayState, Selection, replay_limits

_LIMITS = replay_limits()
#: A kind of case or a type of action, as this product names them.
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_:]{1,64}$")]


class SelectionRequest(Element):
    """Which commands: those named, or all that stand still and match what is given. Times are UTC."""

    commands: Annotated[tuple[CommandId, ...], Field(max_length=_LIMITS.most_items)] = ()
    connection: Token | None = None
    action_type: Name | None = None
    state: State | None = None
    case_kind: Name | None = None
    received_from: SystemTime | None = None
    received_to: SystemTime | None = None

    def as_selection(self) -> Selection:
        """Return what is selected."""
        return Selection(**dict(self))


class ReplayRequest(Element):
    """A wish that commands be sent again; a dry run unless it says otherwise. ``reason`` is kept, without patient data."""

    selection: SelectionRequest
    reason: Annotated[str, StringConstraints(min_length=1, max_length=200, strip_whitespace=True)]
    dry_run: Boolean = True
    mode: Mode = Mode.STORED
    batch_size: Annotated[int, Field(ge=1, le=_LIMITS.most_batch, strict=True)] | None = None
    rate_per_minute: Annotated[int, Field(ge=1, le=_LIMITS.most_per_minute, strict=True)] | None = None


class ReplayItemDocument(Document):
    """One item: where it is, what became of it (``result``, with a ``sentence``), which bytes were sent, and what was given anew.

    ``changed`` names the fields in which new bytes differ from those that were journaled; digests are SHA-256 in hex.
    """

    seq: int
    command: UUID
    connection: str
    state: ItemState
    waits_for: str
    result: str | None = None
    why: str = ""
    sentence: str = ""
    error: str = ""
    bytes: str = ""
    mapping_pinned: str | None = None
    mapping_now: str | None = None
    stored_digest: str | None = None
    planned_digest: str | None = None
    changed: tuple[str, ...] = ()
    new_command: UUID | None = None
    case_id: int | None = None


class ReplayDocument(Document):
    """A replay with one page of its items; send ``cursor`` again to go on, until there is none.

    ``counts`` are all of its items, by result; those that are not over under ``pending`` and ``begun``.
    """

    id: UUID
    state: ReplayState
    dry_run: bool
    mode: Mode
    reason: str
    asked_by: str
    created_at: datetime
    batch_size: int
    rate_per_minute: int
    counts: Mapping[str, int]
    items: tuple[ReplayItemDocument, ...] = ()
    cursor: str | None = None


def replay_document(replay: Replay, items: tuple[ReplayItem, ...] = (), *, cursor: str | None = None) -> ReplayDocument:
    """Return the document of a replay and a page of its items."""
    return ReplayDocument(
        id=replay.id,
        state=replay.state,
        dry_run=replay.dry_run,
        mode=replay.mode,
        reason=replay.reason,
        asked_by=replay.person,
        created_at=replay.created_at,
        batch_size=replay.batch,
        rate_per_minute=replay.per_minute,
        counts=replay.counts,
        items=tuple(_item(item) for item in items),
        cursor=cursor,
    )


def _item(item: ReplayItem) -> ReplayItemDocument:
    told = vars(item.result) | {"sentence": WHY[item.result.why]} if item.result is not None else {}
    head = {name: value for name, value in vars(item).items() if name != "result"}
    return ReplayItemDocument(**head, **told)
