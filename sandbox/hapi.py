"""HAPI FHIR JPA as its starter is set up: version counters, 409 where R4 says 412, searches answered again for a minute.

Facts: the server's documentation and its issues (#3141 several 201s for parallel conditional creates, #4348, #5288). The race
of conditional creates is played by the fault `stale_search` with `conditional`.
"""

from sandbox import written_json
from sandbox.answers import Answer, Refusal, operation_outcome
from sandbox.personality import Personality

_NUMBERS = {409: "HAPI-0989"}


def tell(refusal: Refusal) -> Answer:
    """An OperationOutcome whose text begins with the server's number, where one is known; its code is `processing`."""
    number = _NUMBERS.get(refusal.status)
    text = f"{number}: {refusal.diagnostics} Not the current version." if number else refusal.diagnostics
    code = "processing" if refusal.status == 409 else refusal.code
    outcome = operation_outcome(code, text, expression=refusal.expression)
    return Answer(status=refusal.status, body=written_json.dumps(outcome), headers=refusal.headers)


PERSONALITY = Personality(
    key="hapi",
    behaviour={"stale_status": 409, "search_reuse_s": 60.0, "version_ids": "counter", "location": "history"},
    tell=tell,
)
