"""Acting on many cases of one cause: what may be done so, and which cases never are. It carries nothing out itself."""

from __future__ import annotations

from collections.abc import Sequence

from canonical import exact_json
from canonical.case_kinds import case_kind
from canonical.case_store import StoredCase
from canonical.policy import PROTECTED
from canonical.review_desk import ReviewError, Verb
from canonical.reviewer import Pool

#: What says nothing of what is right for one patient.
BULK_VERBS = frozenset({Verb.RESEND, Verb.FOUND, Verb.ASK_AUTHOR, Verb.REJECT, Verb.ESCALATE})
#: Of a digest these approve nothing, whatever it is about: what was found must still be proven by what the chart says.
_OF_ANY_DIGEST = frozenset({Verb.FOUND, Verb.ASK_AUTHOR, Verb.ESCALATE})
#: Nobody looks at more at once.
MOST = 100


def why_not_in_bulk(case: StoredCase, verb: Verb | None = None) -> str:
    """Return why a case is decided by itself, or nothing; without a ``verb``, why in whatever way."""
    if case.pool is Pool.OPERATIONS and case.cause is not None:
        return _why_not_of_cause(case, verb)
    is_gathered = case_kind(case.kind).cause is not None and case.cause is not None
    if is_gathered and (verb is None or verb in _OF_ANY_DIGEST):
        return ""
    if verb is Verb.FOUND:
        return "each is looked for in the chart by itself"
    if case.action_type in PROTECTED:
        return "medicines, allergies and problems are decided one by one"
    if exact_json.parse(case.envelope).get("ai") is not None:
        return "what a model wrote is decided one by one"
    if is_gathered and verb is Verb.REJECT:
        return ""
    if is_gathered or case.pool is Pool.CLINICAL:
        return "clinical questions are decided one by one"
    return ""


def _why_not_of_cause(case: StoredCase, verb: Verb | None) -> str:
    """What ended the cause helps all of it, whatever each is about; but sending what waits for an approval would approve it."""
    if verb is Verb.FOUND:
        return "each is looked for in the chart by itself"
    if verb is Verb.RESEND and case.approval_required:
        return "what a person must approve is sent again one by one"
    if verb is Verb.RESEND and exact_json.parse(case.envelope).get("ai") is not None:
        return "what a model wrote is decided one by one"
    return ""


def check_bulk(cases: Sequence[StoredCase], verb: Verb) -> None:
    """Pass only cases of one cause, and an act that approves nothing; raises ``ReviewError`` ``not-possible``."""
    if verb not in BULK_VERBS:
        raise ReviewError("not-possible", "Nothing is ever approved or decided in bulk. Open the cases one by one.")
    if not cases or len(cases) > MOST:
        raise ReviewError("not-possible", f"Choose 1 to {MOST} cases. Nothing was changed.")
    if len({(case.kind, case.connection) for case in cases}) > 1:
        raise ReviewError("not-possible", "Choose cases of one kind and one EHR connection. Nothing was changed.")
    if len({case.cause for case in cases}) > 1:
        raise ReviewError("not-possible", "Choose cases of one cause. Nothing was changed.")
    single = next((reason for case in cases if (reason := why_not_in_bulk(case, verb))), "")
    if single:
        raise ReviewError("not-possible", f"Not in bulk: {single}. Nothing was changed.")
