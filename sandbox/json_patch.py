"""JSON Patch as far as an EHR needs it: add, replace, remove and test; not move and copy, nor other patch formats.

Sources: RFC 6902; RFC 6901 for pointers.
"""

import copy
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

_INDEX = re.compile(r"0|[1-9]\d{0,8}")


class MalformedPatch(ValueError):
    """The body is no patch that this server knows."""


class PatchDoesNotApply(ValueError):
    """A `test` failed or a path leads nowhere: the document is not what the patch was made for."""


@dataclass(frozen=True)
class Step:
    """One operation; `path` is the pointer, split and unescaped."""

    op: str
    path: tuple[str, ...]
    value: Any = None

    @property
    def pointer(self) -> str:
        return "".join(f"/{part}" for part in self.path)


def parse_patch(given: Any) -> list[Step]:
    """The steps of a patch document.

    Raises:
        MalformedPatch: it is no list of operations with op, path and, where needed, value.
    """
    if not isinstance(given, list) or not given:
        raise MalformedPatch("A patch is a list of operations.")
    return [_step(number, operation) for number, operation in enumerate(given)]


def _step(number: int, given: Any) -> Step:
    if not isinstance(given, dict) or not isinstance(given.get("path"), str):
        raise MalformedPatch(f"Operation {number} has no path.")
    op, path = given.get("op"), given["path"]
    if op not in _STEPS:
        raise MalformedPatch(f"Operation {number} is not one of {', '.join(_STEPS)}.")
    if op != "remove" and "value" not in given:
        raise MalformedPatch(f"Operation {number} has no value.")
    if path and not path.startswith("/"):
        raise MalformedPatch(f"The path of operation {number} does not start with a slash.")
    parts = tuple(part.replace("~1", "/").replace("~0", "~") for part in path.split("/")[1:])
    return Step(op, parts, given.get("value"))


def apply_patch(document: Any, steps: list[Step]) -> Any:
    """A copy of the document with every step done, in order.

    Raises:
        PatchDoesNotApply: one step cannot be done, so none counts.
    """
    patched = copy.deepcopy(document)
    for step in steps:
        patched = _do(patched, step)
    return patched


def _do(document: Any, step: Step) -> Any:
    if not step.path:
        return _whole(document, step)
    parent = document
    for part in step.path[:-1]:
        parent = _child(parent, part, step)
    if not isinstance(parent, dict | list):
        raise _leads_nowhere(step)
    _STEPS[step.op](parent, step.path[-1], step)
    return document


def _whole(document: Any, step: Step) -> Any:
    if step.op == "remove":
        raise _leads_nowhere(step)
    if step.op == "test" and not _same(document, step.value):
        raise PatchDoesNotApply("The test of the whole document failed.")
    return document if step.op == "test" else copy.deepcopy(step.value)


def _child(parent: Any, part: str, step: Step) -> Any:
    if isinstance(parent, dict) and part in parent:
        return parent[part]
    if isinstance(parent, list):
        return parent[_index(part, len(parent), step)]
    raise _leads_nowhere(step)


def _index(part: str, length: int, step: Step) -> int:
    if not _INDEX.fullmatch(part) or int(part) >= length:
        raise _leads_nowhere(step)
    return int(part)


def _leads_nowhere(step: Step) -> PatchDoesNotApply:
    return PatchDoesNotApply(f"{step.op} {step.pointer}: there is no such element.")


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[name], other[name]) for name in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return bool(one == other)


def _add(parent: Any, name: str, step: Step) -> None:
    value = copy.deepcopy(step.value)
    if isinstance(parent, dict):
        parent[name] = value
    else:
        parent.insert(len(parent) if name == "-" else _index(name, len(parent) + 1, step), value)


def _replace(parent: Any, name: str, step: Step) -> None:
    _child(parent, name, step)
    parent[name if isinstance(parent, dict) else int(name)] = copy.deepcopy(step.value)


def _remove(parent: Any, name: str, step: Step) -> None:
    _child(parent, name, step)
    del parent[name if isinstance(parent, dict) else int(name)]


def _test(parent: Any, name: str, step: Step) -> None:
    if not _same(_child(parent, name, step), step.value):
        raise PatchDoesNotApply(f"test {step.pointer} failed.")


_STEPS: dict[str, Callable[[Any, str, Step], None]] = {
    "add": _add,
    "replace": _replace,
    "remove": _remove,
    "test": _test,
}
