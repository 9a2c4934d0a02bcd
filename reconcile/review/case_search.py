"""Finding cases for people and tools: by which terms, and what of a case its finder may see. The reading is the store's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from canonical.case_store import StoredCase
from canonical.case_views import CaseQuery, CasesFound
from canonical.review_desk import ReviewError
from canonical.review_reads import CaseFinder, CaseTerms
from canonical.reviewer import Pool, Reviewer, Right
from reconcile.review.bulk import why_not_in_bulk
from reconcile.review.command_desk import may_read
from reconcile.review.desk import require
from reconcile.review.rows import row_of
from reconcile.review.search import keyed, patient_term


@dataclass(frozen=True, kw_only=True)
class CaseSearch:
    """Searches in ``finder``; ``ehr_names`` gives a tenant's connections, each with its EHR as people call it."""

    finder: CaseFinder
    ehr_names: Callable[[str], Mapping[str, str]]

    def find_cases(self, reviewer: Reviewer, query: CaseQuery) -> CasesFound:
        """Return cases of the reviewer's queues, newest first; raises ``ReviewError`` and ``RefusedError`` (the cursor)."""
        require(reviewer, Right.SEE_ROWS)
        names = self.ehr_names(reviewer.tenant)
        if query.patient and not reviewer.may(Right.SEE_CONTENT):
            raise ReviewError("not-permitted", "You may not see patients, so you cannot search for one.")
        who = keyed(reviewer.tenant, tuple(names), patient_term(query.patient)) if query.patient else {}
        own = frozenset(Pool) if reviewer.may(Right.OVERSEE) else reviewer.pools
        terms = CaseTerms(
            kind=query.kind,
            severity=query.severity,
            connection=query.connection,
            state=query.state,
            older_than=query.older_than,
            correlation_id=query.correlation_id,
            vendor_code=query.vendor_code,
            cursor=query.cursor,
            **who,
        )
        pools = sorted(pool.value for pool in own if query.pool in {None, pool})
        found = self.finder.find_cases(reviewer.tenant, terms, pools=pools, limit=query.limit)
        shown = (case for case in found.cases if not query.patient or _shows(reviewer, case))
        rows = tuple(row_of(case, reviewer, names, not_in_bulk=why_not_in_bulk(case)) for case in shown)
        return CasesFound(rows=rows, cursor=found.cursor)


def _shows(reviewer: Reviewer, case: StoredCase) -> bool:
    """Whether the reviewer may see of whom a case is: that a patient has restricted content is restricted, too."""
    return may_read(reviewer, case.envelope, case.pool)
