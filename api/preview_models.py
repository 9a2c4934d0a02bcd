"""What a preview answers, as models: the only answer with clinical content, for whoever sent that content."""

from typing import Any
from uuid import UUID

from api.compensations import WayBackDocument
from api.models import Document


class PreviewFieldDocument(Document):
    """One thing wrong with a field."""

    pointer: str
    code: str
    detail: str


class PreviewRefusalDocument(Document):
    """One reason why the door would not take the command; ``retry`` as in a problem document."""

    code: str
    detail: str
    retry: str
    errors: tuple[PreviewFieldDocument, ...]


class PreviewStopDocument(Document):
    """What would hold an accepted command up before it is sent."""

    kind: str
    detail: str


class PreviewFindingDocument(Document):
    """A case that would be opened; ``holds``: nothing is sent before a person decided it."""

    kind: str
    severity: str
    holds: bool
    pointer: str
    detail: str


class PreviewLineDocument(Document):
    """One statement of the action in plain words."""

    label: str
    text: str


class PreviewEffectDocument(Document):
    """One field of the chart: its value now and after the request, in canonical words."""

    field: str
    now: Any = None
    then: Any = None


class PreviewRequestDocument(Document):
    """One request as it would leave, without its token. The identifier in it is made anew for the command itself."""

    seq: int
    interaction: str
    resource_type: str
    reference: str | None = None
    method: str
    url: str
    headers: dict[str, str]
    body: Any = None
    precondition: str
    effects: tuple[PreviewEffectDocument, ...]


class PreviewDocument(Document):
    """What would become of a command. Nothing was sent, stored or used up."""

    accepted: bool
    refusals: tuple[PreviewRefusalDocument, ...]
    stop: PreviewStopDocument | None = None
    approval_reason: str
    findings: tuple[PreviewFindingDocument, ...]
    says: tuple[PreviewLineDocument, ...]
    sent_as: str | None = None
    sent_as_sentence: str
    requests: tuple[PreviewRequestDocument, ...]
    dependents: tuple[UUID, ...]
    compensation: tuple[WayBackDocument, ...]
