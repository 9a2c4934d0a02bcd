import pytest

from sandbox.call import Interaction
from sandbox.scopes import granted, parse_scope, permits


@pytest.mark.parametrize(
    ("scope", "interaction", "allowed"),
    [
        ("system/Observation.cru", Interaction.CREATE, True),
        ("system/Observation.cru", Interaction.READ, True),
        ("system/Observation.cru", Interaction.VREAD, True),
        ("system/Observation.cru", Interaction.SEARCH, False),
        ("system/Observation.rs", Interaction.SEARCH, True),
        ("system/Observation.rs", Interaction.UPDATE, False),
        ("system/Observation.read", Interaction.SEARCH, True),
        ("system/Observation.read", Interaction.CREATE, False),
        ("system/Observation.write", Interaction.DELETE, True),
        ("system/Observation.write", Interaction.READ, False),
        ("system/Observation.*", Interaction.DELETE, True),
        ("system/*.c", Interaction.CREATE, True),
        ("system/Patient.cruds", Interaction.READ, False),
        ("user/Observation.cruds", Interaction.READ, False),
        ("system/Observation.c?category=vital-signs", Interaction.CREATE, False),
    ],
)
def test_a_scope_permits_what_its_letters_say(scope: str, interaction: Interaction, *, allowed: bool) -> None:
    assert permits([scope], interaction, "Observation") is allowed


@pytest.mark.parametrize("text", ["system/Observation.", "system/Observation.src", "openid", "system/observation.r"])
def test_an_unreadable_scope_permits_nothing(text: str) -> None:
    assert parse_scope(text) is None


def test_no_more_is_granted_than_was_registered() -> None:
    registered = ["system/Observation.cruds", "system/Patient.read"]
    asked = ["system/Observation.cr", "system/Patient.cr", "system/Patient.r", "system/*.r", "openid"]
    assert granted(asked, registered) == ["system/Observation.cr", "system/Patient.r"]


def test_a_plain_scope_is_granted_by_its_name() -> None:
    assert granted(["commands.write", "commands.admin"], ["commands.write"]) == ["commands.write"]
