"""What one reviewer may decide of one case, and why not. From policy, licence and who they are; it decides nothing itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from canonical.case_store import StoredCase
from canonical.envelope import Author
from canonical.review_desk import Verb
from canonical.reviewer import Licence, Pool, Reviewer, Right
from canonical.ruling import Verdict

#: Choosing what the chart will say: by licence and policy.
CLINICAL = frozenset({Verb.APPROVE, Verb.EDIT, Verb.RESOLVE, Verb.SIGN, Verb.REMAP, Verb.RESEND, Verb.FOUND})
#: Handing it on says nothing of what is right: whoever works the queue may.
_HANDS_ON = frozenset({Verb.ASK_AUTHOR, Verb.ESCALATE})
#: Why somebody without a clinical licence may end a clinical case, too.
ADMINISTRATIVE: Mapping[str, str] = {
    "sent-by-mistake": "It was sent by mistake",
    "wrong-connection": "It belongs to another hospital or system",
    "done-by-hand": "It was entered in the EHR by hand",
    "app-will-resend": "The app will send it again, corrected",
}


@dataclass(frozen=True, kw_only=True)
class Permissions:
    """What ``reviewer`` may decide of ``case``; ``author`` wrote the command, ``signed`` are the people who decided it before.

    ``barred`` says why nobody may decide some verbs of it, as the chart is.
    """

    reviewer: Reviewer
    case: StoredCase
    verdict: Verdict
    author: Author
    signed: tuple[str, ...] = ()
    barred: Mapping[Verb, str] = field(default_factory=dict)

    def closed_to(self, verb: Verb) -> str:
        """Return why the reviewer may not decide ``verb``, or nothing."""
        reviewer = self.reviewer
        if not reviewer.may(Right.DECIDE):
            return "You may look at this and not decide it."
        # Who may take a part back follows from what that part is: each of them says it by itself.
        if verb in _HANDS_ON or verb in {Verb.ACKNOWLEDGE, Verb.COMPENSATE}:
            return ""
        if self.barred.get(verb):
            return self.barred[verb]
        if verb in {Verb.APPROVE, Verb.EDIT, Verb.SIGN} and is_author(reviewer, self.author):
            return "You wrote this: somebody else must approve it."
        if verb is Verb.SIGN and reviewer.actor in self.signed:
            return "You decided this first: a second person must sign it."
        if self._is_operations(verb):
            return ""
        if self.verdict.deciders.isdisjoint(reviewer.licences):
            return f"This is decided by a {' or '.join(sorted(self.verdict.deciders))}."
        if self.verdict.second_signature and verb in CLINICAL and is_author(reviewer, self.author):
            return "You wrote this, and two others must sign it."
        return ""

    def _is_operations(self, verb: Verb) -> bool:
        """Whether operations may: their own cases whole; of clinical ones only to end them for a reason that is not clinical."""
        if Licence.OPERATIONS not in self.reviewer.licences:
            return False
        return verb is Verb.REJECT or (self.case.pool is Pool.OPERATIONS and verb is Verb.RESEND)

    def reasons(self, verb: Verb) -> tuple[tuple[str, str], ...]:
        """Return the reasons, code and words, of which a decision must name one; none where it needs none."""
        if verb is not Verb.REJECT:
            return ()
        licensed = not self.verdict.deciders.isdisjoint(self.reviewer.licences)
        clinical = dict(self.verdict.asked) if licensed else {}
        return tuple({**clinical, **ADMINISTRATIVE}.items())


def is_author(reviewer: Reviewer, author: Author) -> bool:
    """Whether the reviewer is who wrote the command."""
    if reviewer.fhir_user is not None and author.reference == "/".join(reviewer.fhir_user.split("/")[-2:]):
        return True
    named = author.identifier
    return named is not None and named.value == reviewer.subject and named.system in {None, reviewer.issuer}
