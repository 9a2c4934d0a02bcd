"""SMART scopes, told by what they permit; not who holds them.

Source: https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html (v1 words read as v2).
"""

import re
from dataclasses import dataclass

from sandbox.call import Interaction

_SCOPE = re.compile(r"(?P<context>system|user)/(?P<type>\*|[A-Z][A-Za-z]*)\.(?P<permission>\*|read|write|c?r?u?d?s?)")
Contexts = tuple[str, ...]
SYSTEM: Contexts = ("system",)
EVERY: Contexts = ("system", "user")
_V1 = {"read": "rs", "write": "cud", "*": "cruds"}
_LETTERS = {
    Interaction.CREATE: "c",
    Interaction.READ: "r",
    Interaction.VREAD: "r",
    Interaction.HISTORY: "r",
    Interaction.UPDATE: "u",
    Interaction.PATCH: "u",
    Interaction.DELETE: "d",
    Interaction.SEARCH: "s",
}


@dataclass(frozen=True)
class Scope:
    """`type` is a resource type or `*`; `letters` are out of "cruds"."""

    type: str
    letters: frozenset[str]

    def covers(self, other: "Scope") -> bool:
        return self.type in {"*", other.type} and other.letters <= self.letters

    def permits(self, interaction: Interaction, type: str) -> bool:
        return self.type in {"*", type} and _LETTERS[interaction] in self.letters


def parse_scope(text: str, contexts: Contexts = SYSTEM) -> Scope | None:
    """A scope of these contexts and of either version; None for anything else, a fine-grained one (`?…`) included."""
    found = _SCOPE.fullmatch(text)
    if found is None or not found["permission"] or found["context"] not in contexts:
        return None
    return Scope(found["type"], frozenset(_V1.get(found["permission"], found["permission"])))


def granted(asked: list[str], registered: list[str], contexts: Contexts = SYSTEM) -> list[str]:
    """The scopes asked for that the registered ones cover, as spelled; other scopes must be named exactly."""
    held = [scope for text in registered if (scope := parse_scope(text, contexts))]
    return [text for text in asked if text in registered or _is_covered(parse_scope(text, contexts), held)]


def permits(scopes: list[str], interaction: Interaction, type: str, contexts: Contexts = SYSTEM) -> bool:
    return any(scope.permits(interaction, type) for text in scopes if (scope := parse_scope(text, contexts)))


def in_v1_words(scopes: list[str]) -> list[str]:
    """The scopes as SMART 1 spells them, `read` and `write`; what is no scope of a type stays as it is."""
    words: dict[str, None] = {}
    for text in scopes:
        scope = parse_scope(text, EVERY)
        if scope is None:
            words[text] = None
            continue
        context = text.partition("/")[0]
        for word in ("read", "write"):
            if scope.letters & set(_V1[word]):
                words[f"{context}/{scope.type}.{word}"] = None
    return list(words)


def _is_covered(scope: Scope | None, held: list[Scope]) -> bool:
    return scope is not None and any(one.covers(scope) for one in held)
