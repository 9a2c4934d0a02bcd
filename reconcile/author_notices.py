"""Giving the command that tells an author what became of theirs: through the ordinary door, under a key of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from uuid import UUID

from canonical import exact_json
from canonical.acknowledging import NOTICES_APP, Fallback, Overdue, OverdueList, fallback_of
from canonical.admission import AdmissionStore, BusyError
from canonical.author_message import author_message, message_key, sender, why_not
from canonical.capabilities import Capabilities
from canonical.envelope import parse_envelope
from canonical.errors import RefusedError
from canonical.idempotency import key_hash
from canonical.ports import ConnectionSettings
from tasks.receive import Receiver

#: The door through which it comes, as events tell.
DOOR = "notices"


@dataclass(frozen=True, kw_only=True)
class Given:
    """The command that was given, or ``why`` none was (a code); ``later``: the door is busy, and nothing is decided."""

    message: UUID | None = None
    why: str = ""
    later: bool = False


@dataclass(frozen=True, kw_only=True)
class AuthorNotices:
    """Gives messages to authors; ``capabilities`` tells what a connection's EHR can do. Thread-safe."""

    overdue: OverdueList
    connections: Mapping[tuple[str, str], ConnectionSettings]
    capabilities: Callable[[ConnectionSettings], Capabilities]
    receiver: Receiver
    admissions: AdmissionStore

    def give(self, overdue: Overdue) -> Given:
        """Give the message where the connection declares that and its EHR takes it; raises ``StoreUnavailableError``."""
        settings = self.connections.get((overdue.tenant, overdue.connection))
        if settings is None or fallback_of(settings.options) is Fallback.CASE:
            return Given(why="no-message-declared")
        envelope = parse_envelope(overdue.envelope)
        why = why_not(envelope, self.capabilities(settings))
        return Given(why=why) if why else self._receive(overdue, exact_json.dumps(author_message(overdue, envelope)))

    def _receive(self, overdue: Overdue, body: str) -> Given:
        key = message_key(overdue)
        try:
            receipt = self.receiver.receive(
                body.encode(),
                principal=sender(overdue.tenant),
                key=key,
                door=DOOR,
                correlation_id=overdue.correlation_id,
            )
        except BusyError as error:
            # Another scheduler gives it this moment; what is over a quota would not be told in time.
            return Given(later=True) if error.code == "in-progress" else Given(why=error.code)
        except RefusedError as error:
            # The command went on between two looks, and was told of before in other words: that message stands.
            hashed = key_hash(overdue.tenant, NOTICES_APP, key)
            known = self.admissions.known(overdue.tenant, NOTICES_APP, hashed)
            return Given(message=known.id) if known is not None else Given(why=error.code)
        return Given(message=receipt.id)
