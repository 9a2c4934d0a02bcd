"""Which role of an OpenID provider may do what at the review queue: data in, a reviewer out. Not how anybody logs in.

A role that is not in the data gives nothing. Whoever has several roles has what each of them gives.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from canonical.errors import WritebackError
from canonical.principal import TENANT_NAME, Principal
from canonical.reviewer import Licence, Pool, Reviewer, Right

#: Claim of a token with the roles, a list of texts or one text.
ROLES_CLAIM = "roles"
#: A FHIR reference to somebody who works there: absolute or `Type/id`. Patients and relatives are no reviewers.
_STAFF = re.compile(r"(?:https?://\S+/)?((?:Practitioner|PractitionerRole)/[A-Za-z0-9\-.]{1,64})")
_LONGEST = 256


class NoReviewerError(WritebackError):
    """Who logged in cannot work the queue; the message says why and holds nothing of the token."""


class ReviewingRole(BaseModel):
    """What one role gives; ``words`` says to people what it is."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    words: Annotated[str, Field(min_length=1)]
    licences: frozenset[Licence] = frozenset()
    rights: Annotated[frozenset[Right], Field(min_length=1)]
    pools: frozenset[Pool] = frozenset()

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        if Right.SEE_ROWS not in self.rights:
            raise ValueError("rights: whoever may do anything sees the rows (see_rows)")
        if not (self.pools or Right.OVERSEE in self.rights):
            raise ValueError("pools: whose cases, unless all (oversee)")
        if Right.DECIDE in self.rights and Right.SEE_CONTENT not in self.rights:
            raise ValueError("rights: nobody decides what they may not see (see_content)")
        if Right.DECIDE in self.rights and not self.licences:
            raise ValueError("licences: whoever decides does so by one")
        return self


class ReviewingRoles(BaseModel):
    """The whole of ``people.toml``: who answers for it, until when, and what each role gives, by the role's name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    owner: Annotated[str, Field(min_length=1)]
    reviewed: date
    next_review: date
    note: str = ""
    role: dict[str, ReviewingRole]

    @model_validator(mode="after")
    def _dated(self) -> Self:
        if self.next_review <= self.reviewed:
            raise ValueError("next_review: after reviewed")
        return self

    def of_claims(self, claims: Mapping[str, Any], *, issuer: str, tenant_claim: str, user_claim: str) -> Reviewer:
        """Return who the ``claims`` of a verified ID token name; ``user_claim`` may hold their FHIR reference.

        Raises:
            NoReviewerError: the token names no tenant or no person.
        """
        tenant, subject = claims.get(tenant_claim), _text(claims.get("sub"))
        if not isinstance(tenant, str) or not TENANT_NAME.fullmatch(tenant):
            raise NoReviewerError(f"The login names no tenant ({tenant_claim}).")
        if subject is None:
            raise NoReviewerError("The login names no person (sub).")
        return self._reviewer(
            tenant=tenant,
            issuer=issuer,
            subject=subject,
            name=_text(claims.get("name")) or subject,
            fhir_user=_staff(claims.get(user_claim)),
            roles=roles_of(claims),
        )

    def of_principal(self, principal: Principal) -> Reviewer | None:
        """Return the person behind a verified bearer token, by the same rules as at a login.

        ``None``: no person is logged in, or none of their roles gives anything here.
        """
        subject = _text(principal.subject)
        if subject is None or principal.issuer is None:
            return None
        reviewer = self._reviewer(
            tenant=principal.tenant,
            issuer=principal.issuer,
            subject=subject,
            name=_text(principal.name) or subject,
            fhir_user=_staff(principal.user),
            roles=principal.roles,
        )
        return reviewer if reviewer.rights else None

    def _reviewer(self, *, roles: Iterable[str], **who: Any) -> Reviewer:
        held = [self.role[name] for name in roles if name in self.role]
        return Reviewer(
            **who,
            licences=frozenset(licence for role in held for licence in role.licences),
            rights=frozenset(right for role in held for right in role.rights),
            pools=frozenset(pool for role in held for pool in role.pools),
        )


def roles_of(claims: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the roles that a token states, in its order; none where it states them in a form of its own."""
    stated = claims.get(ROLES_CLAIM)
    listed = [stated] if isinstance(stated, str) else stated
    return tuple(role for role in listed if isinstance(role, str)) if isinstance(listed, list | tuple) else ()


def _text(value: object) -> str | None:
    """Return ``value`` if it is a short printable text."""
    is_text = isinstance(value, str) and 0 < len(value.strip()) <= len(value) <= _LONGEST and value.isprintable()
    return str(value) if is_text else None


def _staff(value: object) -> str | None:
    found = _STAFF.fullmatch(value) if isinstance(value, str) else None
    return found[1] if found else None
