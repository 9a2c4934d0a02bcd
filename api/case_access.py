"""Who is at the case door: from a token's principal to the person who reviews. What they may decide is the desk's to say."""

from collections.abc import Callable
from dataclasses import dataclass

from api.problems import Problem, not_permitted
from canonical.principal import CASES, Principal
from canonical.reviewer import Pool, Reviewer, Right

#: An app without a person sees every queue of its tenant and decides nothing.
_LOOKS = frozenset({Right.SEE_ROWS, Right.SEE_CONTENT})
ReviewerOf = Callable[[Principal], Reviewer | None]


@dataclass(frozen=True, kw_only=True)
class CaseAccess:
    """``reviewer_of`` gives the person of a principal as the hospital's list of reviewers has them, or ``None``."""

    reviewer_of: ReviewerOf

    def looking(self, principal: Principal) -> Reviewer:
        """Return as whom to show cases; raises ``Problem`` ``not-permitted``."""
        if not principal.works_cases:
            raise not_permitted(CASES)
        return _app(principal) if _is_app_alone(principal) else self._reviewer(principal)

    def person(self, principal: Principal) -> Reviewer:
        """Return who acts; raises ``Problem`` ``not-permitted``, and ``person-required`` for an app by itself."""
        if not principal.works_cases:
            raise not_permitted(CASES)
        if _is_app_alone(principal):
            raise Problem("person-required", "No person is logged in with this token: an app by itself may look only.")
        return self._reviewer(principal)

    def _reviewer(self, principal: Principal) -> Reviewer:
        found = self.reviewer_of(principal)
        if found is None or found.tenant != principal.tenant:
            raise Problem(
                "not-permitted", "You are not one of this hospital's reviewers. Ask whoever keeps the list of them."
            )
        return found


def _is_app_alone(principal: Principal) -> bool:
    return principal.user is None and principal.subject is None


def _app(principal: Principal) -> Reviewer:
    """Return an app as somebody who looks: its looks are told apart from those of people, who cannot decide on them."""
    return Reviewer(
        tenant=principal.tenant,
        issuer=principal.issuer or "",
        subject=f"app:{principal.app}",
        name=principal.app,
        rights=_LOOKS,
        pools=frozenset(Pool),
    )
