"""What the doors answer, as models: the shapes in OpenAPI are these. No clinical content but in a question to the author."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from canonical.status import Status


class Document(BaseModel):
    """Base of all answers: camelCase outside."""

    model_config = ConfigDict(frozen=True, alias_generator=to_camel, validate_by_name=True, from_attributes=True)


class ReceiptDocument(Document):
    """The receipt of a command. ``status`` has five values for ever; ``state`` is open-ended."""

    id: UUID
    status: Status
    state: str
    reason: str
    sentence: str
    next: str
    replayed: bool
    received_at: datetime
    correlation_id: str
    author_assurance: str
    sent_as: str | None = None
    possible_duplicate_of: UUID | None = None
    note: str = ""


class NotificationDocument(Document):
    """What a notification came to, as counts: entries that will be read, events that were heard before, and so on."""

    touched: int = 0
    unknown: int = 0
    duplicate: int = 0
    out_of_order: int = 0
    missed: int = 0
    handshake: int = 0
    heartbeat: int = 0


class ActionName(Document):
    """Which action and operation a command is of."""

    type: str
    operation: str


class TimelineDocument(Document):
    """One fact of a command's life; ``source`` and ``target`` are states."""

    seq: int
    at: datetime
    trigger: str
    source: str
    target: str
    reason: str
    actor: str
    attempt: int | None = None


class OperationDocument(Document):
    """One interaction with the EHR: its reference and version there, once known.

    ``compensatedBy`` are the commands that took it back, or were to, where it is one of several; its ``state`` is ``taken_back``
    or ``made_up_for`` once that was proven, and ``removed`` where somebody did it in the EHR.
    """

    seq: int
    interaction: str
    resource_type: str
    state: str
    reference: str | None = None
    version: str | None = None
    compensated_by: tuple[UUID, ...] = ()


class CommandSummaryDocument(Document):
    """Where a command is and what must happen next."""

    id: UUID
    status: Status
    state: str
    reason: str
    sentence: str
    next: str
    action: ActionName
    connection: str
    app: str
    received_at: datetime
    state_since: datetime
    not_after: datetime | None = None
    correlation_id: str
    author_assurance: str
    attempts: int
    sent_as: str | None = None
    possible_duplicate_of: UUID | None = None


class QuestionDocument(Document):
    """What a reviewer asks the author, in the reviewer's own words, and until when (UTC) an answer is awaited."""

    asked_at: datetime
    answer_by: datetime
    text: str


class AcknowledgementDocument(Document):
    """What the app is to confirm: that its author saw the event ``sequence`` or a later one, from ``owedAt`` on, by ``dueAt``.

    ``how`` it was confirmed: ``app``, ``delivery``, ``message``, ``person`` or ``handed_on``; ``seenBy``: who saw it, as the app
    says. ``fallback``: ``message`` or ``case``, what followed where it was not in time.
    """

    sequence: int
    owed_at: datetime
    due_at: datetime
    acknowledged_at: datetime | None = None
    acknowledged_by: str | None = None
    how: str | None = None
    seen_by: str | None = None
    fallback: str | None = None
    fallback_at: datetime | None = None
    sentence: str


class AcknowledgedDocument(Document):
    """What became of an acknowledgement; without ``acknowledgement`` nothing was owed."""

    command_id: UUID
    sentence: str
    acknowledgement: AcknowledgementDocument | None = None


class CommandDocument(CommandSummaryDocument):
    """A command with all that happened to it, oldest first; ``question`` is shown to the app that sent it alone.

    ``acknowledgement``: what its app owes, or confirmed; nothing where nothing is owed.
    ``compensates``: the command that it takes out of the chart; ``compensatedBy``: those that take it out, or tried to.
    ``replayOf`` is the command that an operator gave it in place of, ``replays`` those that were given in its place.
    """

    question: QuestionDocument | None = None
    acknowledgement: AcknowledgementDocument | None = None
    compensates: UUID | None = None
    compensated_by: tuple[UUID, ...] = ()
    replay_of: UUID | None = None
    replays: tuple[UUID, ...] = ()

    timeline: tuple[TimelineDocument, ...]
    operations: tuple[OperationDocument, ...]


class PageDocument(Document):
    """One page of a search, newest first; send ``cursor`` again to go on, until there is none."""

    commands: tuple[CommandSummaryDocument, ...]
    cursor: str | None = None


class FieldErrorDocument(Document):
    """One thing wrong with one field: RFC 6901 pointer, stable code, words. Never the value."""

    pointer: str
    code: str
    detail: str


class ProblemDocument(Document):
    """RFC 9457. ``retry``: ``never``, ``later``, ``afterConsent``, ``afterApproval`` or ``afterConfirmation``."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    retry: str
    errors: tuple[FieldErrorDocument, ...] | None = None
    correlation_id: str | None = None


class BatchItemDocument(Document):
    """What one item of a batch came to: its HTTP status with a receipt or a problem.

    ``retryAfter``: seconds to wait before the item is sent again, as the header ``Retry-After`` says of one command.
    """

    status: int
    retry_after: int | None = None
    receipt: ReceiptDocument | None = None
    problem: ProblemDocument | None = None


class BatchDocument(Document):
    """The items of a batch in the order they were sent; each stands alone, a batch is not atomic."""

    items: tuple[BatchItemDocument, ...]


class EndpointDocument(Document):
    """A registered callback address; ``disabledAt``: nothing is sent there since.

    ``showsAuthor``: what is told there is shown to the command's author, so that taking it acknowledges it.
    """

    id: UUID
    url: str
    created_at: datetime
    failing_since: datetime | None = None
    disabled_at: datetime | None = None
    shows_author: bool = False


class EndpointSecretDocument(EndpointDocument):
    """A registered address with its signing secret (Standard Webhooks), shown this once."""

    secret: str


class EndpointsDocument(Document):
    """The endpoints of an app."""

    endpoints: tuple[EndpointDocument, ...]


class ConsentVersionDocument(Document):
    """One version of a consent: who made it, when."""

    version: int
    active: bool
    valid_from: datetime
    valid_until: datetime | None = None
    actor: str
    at: datetime


class ConsentDocument(Document):
    """A consent as it stands, with its past. It does not say whose it is: its keeper knows."""

    reference: str
    version: int
    active: bool
    purposes: tuple[str, ...]
    actions: tuple[str, ...]
    apps: tuple[str, ...]
    valid_from: datetime
    valid_until: datetime | None = None
    versions: tuple[ConsentVersionDocument, ...]


class InFlightDocument(Document):
    """A command that was sent, or may have been, when its consent ended."""

    id: UUID
    state: str
    status: Status


class RevocationDocument(Document):
    """What a revocation met: ``inFlight`` may reach the chart, ``notSent`` counts what waits and will not be sent."""

    consent: ConsentDocument
    in_flight: tuple[InFlightDocument, ...]
    not_sent: int
    next: str


class SwitchDocument(Document):
    """A kill switch; off, nothing it governs is sent."""

    kind: str
    key: str
    is_on: bool
    reason: str | None = None
    changed_by: str | None = None
    changed_at: datetime


class SwitchesDocument(Document):
    """The switches of a tenant and of the service; ``note``: what to check about the one just turned."""

    switches: tuple[SwitchDocument, ...]
    note: str | None = None


class SchemaSummary(Document):
    """An action, its operations, and where its schema is."""

    action: str
    operations: tuple[str, ...]
    url: str


class SchemaListDocument(Document):
    """The actions there are."""

    schemas: tuple[SchemaSummary, ...]


class ProblemTypeDocument(Document):
    """A kind of problem this API answers with."""

    type: str
    code: str
    status: int
    title: str
    retry: str


class ProblemTypesDocument(Document):
    """All kinds of problem."""

    problems: tuple[ProblemTypeDocument, ...]
