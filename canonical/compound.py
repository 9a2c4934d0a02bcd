"""Commands of several operations: how they name each other before they have ids, and how far such a command is. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID, uuid5

from canonical import exact_json
from canonical.command import Command
from canonical.errors import InvalidPayloadError
from canonical.ports import Operation
from canonical.provenance import PROVENANCE


def part_urn(command: UUID, number: int) -> str:
    """Return the placeholder by which a resource refers to what part ``number`` (from 1) of ``command`` will write."""
    return f"urn:uuid:{uuid5(command, str(number))}"


def operation_urn(command: UUID, seq: int) -> str:
    """Return the placeholder of what operation ``seq`` of ``command`` writes, where it is not a part."""
    return f"urn:uuid:{uuid5(command, f'operation.{seq}')}"


def as_written(placeholder: str) -> str:
    """Return what stands for the very version that was written; where the EHR tells none, the entry."""
    return f"{placeholder}#written"


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Where one operation stands among those of its command.

    ``before``: how many are in the chart already; ``after``: how many are still to come; ``proven``: whether the answers
    of all before it were their proof.
    """

    before: int = 0
    after: int = 0
    proven: bool = True


#: The only operation of its command.
ALONE = Progress()


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The operations of a command in the order of writing, and the references that the written ones got.

    ``operations`` holds what is still to be sent, the next one first; ``written`` maps placeholders to ``Type/id`` and to
    ``Type/id/_history/version``.
    """

    operations: tuple[Operation, ...]
    written: Mapping[str, str]
    progress: Progress

    @property
    def next(self) -> Operation:
        """What is sent next, naming what was written before by its reference."""
        return with_references(self.operations[0], self.written)

    def after(self, reference: str, *, proven: bool, version: str | None = None) -> Plan:
        """Return the plan once its next operation is in the EHR as ``reference`` in ``version`` (``None``: not told)."""
        known = _names(self.operations[0].placeholder, reference, version)
        return Plan(
            operations=self.operations[1:],
            written={**self.written, **known},
            progress=Progress(
                before=self.progress.before + 1,
                after=self.progress.after - 1,
                proven=self.progress.proven and proven,
            ),
        )


def first_plan(operations: Sequence[Operation]) -> Plan:
    """Return the plan of a command of which nothing is written yet.

    Raises :class:`InvalidPayloadError` when an operation refers to one that is not written before it: send nothing.
    """
    for at, operation in enumerate(operations):
        later = (item.placeholder for item in operations[at:] if item.placeholder is not None)
        if any(_quoted(placeholder) in operation.body for placeholder in later):
            raise InvalidPayloadError("An operation refers to something that would be written after it.")
    return Plan(operations=tuple(operations), written={}, progress=Progress(after=len(operations) - 1))


def digest_of(operations: Sequence[Operation]) -> bytes:
    """Return the SHA-256 of what ``operations`` would put on the wire: bytes, where to, and the version they rest on.

    A Provenance is left out: it names whoever approves these very bytes, so it is made once they did, of command and approval.
    """
    told = [
        [item.interaction.value, item.reference, item.path, item.if_match, hashlib.sha256(item.body).hexdigest()]
        for item in operations
        if item.resource_type != PROVENANCE
    ]
    return hashlib.sha256(exact_json.canonical_bytes(told)).digest()


def plan_of_rest(command: Command, stored: Sequence[Operation]) -> Plan:
    """Return what is left of ``command``, whose operations were journaled as ``stored``."""
    done = {item.seq: item for item in command.operations if item.in_chart}
    rest = tuple(operation for operation in stored if operation.seq not in done)
    written: dict[str, str] = {}
    for item in done.values():
        if item.reference is not None:
            written |= _names(item.placeholder, item.reference, item.version)
    return Plan(operations=rest, written=written, progress=progress_of(command, rest[0].seq))


def progress_of(command: Command, seq: int) -> Progress:
    """Return where operation ``seq`` of ``command`` stands."""
    done = [item for item in command.operations if item.in_chart]
    open_ = [item for item in command.operations if not item.in_chart and item.seq != seq]
    return Progress(before=len(done), after=len(open_), proven=all(item.state == "verified" for item in done))


def with_references(operation: Operation, written: Mapping[str, str]) -> Operation:
    """Return ``operation`` with every placeholder in its body replaced by the reference that was written for it."""
    body = operation.body
    for placeholder, reference in written.items():
        body = body.replace(_quoted(placeholder), _quoted(reference))
    return operation if body == operation.body else replace(operation, body=body)


def _names(placeholder: str | None, reference: str, version: str | None) -> dict[str, str]:
    """Return what stands for an entry → how it is known: by itself, and in the version that was written."""
    if placeholder is None:
        return {}
    exactly = f"{reference}/_history/{version}" if version is not None else reference
    return {placeholder: reference, as_written(placeholder): exactly}


def _quoted(text: str) -> bytes:
    return f'"{text}"'.encode()
