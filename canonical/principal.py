"""Who speaks at a door, as a verified token says: tenant, app, person, scopes. Not how a token is verified."""

import re
from dataclasses import dataclass, field

from canonical.envelope import Author

#: As a connection names its tenant; ``*`` and ``?`` mean something else in the store.
TENANT_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
#: Flips the tenant's switches, reads all of its commands, keeps its consents.
ADMIN = "writeback/admin"
#: Records and revokes the tenant's consents.
CONSENTS = "writeback/consents"
#: Reads every command of the tenant, not only the app's own.
READ = "writeback/read"
#: Flips the switch that stops every tenant.
OPERATOR = "writeback/operator"
#: Works the tenant's review queue for whoever is logged in; without a person it reads the queue and decides nothing.
CASES = "writeback/cases"


@dataclass(frozen=True, kw_only=True)
class Principal:
    """The app, and the person if one is logged in, behind a verified token.

    ``user`` is the token's person: a FHIR reference (absolute or ``Type/id``) or the issuer's subject; ``issuer`` the
    URL under which that subject is unique; ``scopes`` as granted; ``roles`` as the issuer states them. ``subject`` is the
    issuer's own name for the person, whatever ``user`` is; ``name`` what the token says they are called.
    """

    tenant: str
    app: str
    user: str | None = None
    issuer: str | None = None
    scopes: frozenset[str] = frozenset()
    roles: frozenset[str] = field(default_factory=frozenset)
    subject: str | None = None
    name: str | None = None

    def may(self, action_type: str, operation: str) -> bool:
        """Whether a scope allows it: ``writeback/VitalReading.record``, ``writeback/VitalReading.*``, ``writeback/*.*``."""
        wanted = {f"writeback/{kind}.{verb}" for kind in (action_type, "*") for verb in (operation, "*")}
        return not wanted.isdisjoint(self.scopes)

    @property
    def actor(self) -> str:
        """Who did it, for events and histories: the app, and the person unless that is a patient or a relative."""
        staff = self.user is not None and self.user.split("/")[-2:-1] in (["Practitioner"], ["PractitionerRole"])
        return f"app:{self.app} user:{self.user}" if staff else f"app:{self.app}"

    @property
    def administers(self) -> bool:
        """Whether this is an administrator of its tenant."""
        return ADMIN in self.scopes

    @property
    def operates(self) -> bool:
        """Whether this may stop the whole service."""
        return OPERATOR in self.scopes

    @property
    def keeps_consents(self) -> bool:
        """Whether this may record and revoke consents."""
        return self.administers or CONSENTS in self.scopes

    @property
    def works_cases(self) -> bool:
        """Whether the review queue is open to this app; what its person may see and decide is another question."""
        return CASES in self.scopes

    @property
    def reads_tenant(self) -> bool:
        """Whether this may read the commands of every app of its tenant."""
        return self.administers or READ in self.scopes

    def is_author(self, author: Author) -> bool:
        """Whether the person who is logged in is ``author``."""
        if self.user is None:
            return False
        if author.reference is not None and author.reference == "/".join(self.user.split("/")[-2:]):
            return True
        named = author.identifier
        return named is not None and named.value == self.user and named.system in {None, self.issuer}
