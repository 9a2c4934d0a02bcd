"""What goes wrong at the EHR in the demonstration: the sandbox's fault rules, drawn from the run's seed."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

from canonical.ports import Timings

#: Short, so that the demonstration ends within a minute; the quarantine outlasts everything the sandbox does below.
TIMINGS = Timings(
    request=timedelta(seconds=2),
    slowest_commit=timedelta(seconds=1),
    search_lag=timedelta(seconds=0.3),
    margin=timedelta(seconds=0.5),
    send_within=timedelta(seconds=2),
)
#: Of all write requests.
SHARE = 0.15
#: Fault, weight among the others, and how it is played; `update` only where a repeat of one is no conflict.
_ON_WRITES: tuple[tuple[str, int, Mapping[str, Any]], ...] = (
    ("commit_then_drop", 4, {}),
    ("drop_before_commit", 3, {}),
    ("error_after_commit", 2, {}),
    ("error_before_commit", 2, {}),
    ("late_commit", 2, {"seconds": 0.7}),
    ("delay", 2, {"seconds": 0.6}),
    ("truncated_body", 1, {}),
    ("empty_body", 1, {"without": ["Location", "ETag"]}),
    ("throttle", 1, {"retry_after": 1}),
    ("hang", 1, {"seconds": 4, "commit": True}),
)
_ON_CREATES = (*_ON_WRITES, ("duplicate_delivery", 1, {}))


def rules_elsewhere(seed: int) -> list[dict[str, Any]]:
    """Return the rules of a hospital whose EHR has no guard against a request that the network delivers twice."""
    return list(_writes("create", _ON_WRITES, seed))


def rules(seed: int, *, drop_answer_of: str) -> list[dict[str, Any]]:
    """Return the rules; `drop_answer_of` is the correlation id of the command whose answer is lost in any case."""
    lost = {
        "id": "lost",
        "match": {"interaction": "create", "headers": {"x-correlation-id": f"^{drop_answer_of}$"}},
        "fault": "commit_then_drop",
        "times": 1,
    }
    # Only the list: there a look a moment too early finds the entry as its author saw it, and the EHR's own check holds.
    lag = {
        "id": "lag",
        "match": {"interaction": "read", "type": "MedicationStatement"},
        "fault": "read_lag",
        "probability": 0.1,
        "seed": seed,
        "parameters": {"seconds": 0.2},
    }
    stale = {
        "id": "stale",
        "match": {"interaction": "search-type"},
        "fault": "stale_search",
        "probability": 0.2,
        "seed": seed,
        "parameters": {"seconds": 0.2},
    }
    return [lost, lag, stale, *_writes("create", _ON_CREATES, seed), *_writes("update", _ON_WRITES, seed + 1)]


def _writes(
    interaction: str, faults: tuple[tuple[str, int, Mapping[str, Any]], ...], seed: int
) -> Iterator[dict[str, Any]]:
    total, before = sum(weight for _, weight, _ in faults), 0.0
    for number, (fault, weight, parameters) in enumerate(faults):
        share = SHARE * weight / total
        yield {
            "id": f"{interaction}-{fault}",
            "match": {"interaction": interaction},
            "fault": fault,
            # A rule is asked only when those before it did not fire.
            "probability": share / (1 - before),
            "seed": seed * 100 + number,
            "parameters": dict(parameters),
        }
        before += share
