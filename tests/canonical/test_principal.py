import pytest

from canonical.envelope import Author
from canonical.principal import ADMIN, CONSENTS, OPERATOR, READ, Principal

ISSUER = "https://issuer.example"


def principal(*scopes: str, user: str | None = None) -> Principal:
    return Principal(tenant="north", app="visits", user=user, issuer=ISSUER, scopes=frozenset(scopes))


@pytest.mark.parametrize(
    "scope", ["writeback/VitalReading.record", "writeback/VitalReading.*", "writeback/*.record", "writeback/*.*"]
)
def test_a_scope_that_names_the_operation_or_all_of_them_allows_it(scope: str) -> None:
    assert principal(scope).may("VitalReading", "record")


@pytest.mark.parametrize(
    "scope",
    [
        "writeback/VitalReading.retract",
        "writeback/MedicationChange.*",
        "VitalReading.record",
        "writeback/Vital*",
        ADMIN,
    ],
)
def test_any_other_scope_does_not(scope: str) -> None:
    assert not principal(scope).may("VitalReading", "record")


def test_each_right_beside_writing_has_a_scope_of_its_own() -> None:
    rights = {
        scope: (
            principal(scope).administers,
            principal(scope).keeps_consents,
            principal(scope).reads_tenant,
            principal(scope).operates,
        )
        for scope in (ADMIN, CONSENTS, READ, OPERATOR, "writeback/*.*")
    }
    assert rights == {
        ADMIN: (True, True, True, False),
        CONSENTS: (False, True, False, False),
        READ: (False, False, True, False),
        OPERATOR: (False, False, False, True),
        "writeback/*.*": (False, False, False, False),
    }


@pytest.mark.parametrize("user", ["Practitioner/n17", "https://ehr.example/fhir/Practitioner/n17"])
def test_the_author_is_the_person_whose_reference_the_token_names(user: str) -> None:
    author = Author.model_validate({"reference": "Practitioner/n17", "role": "nurse"})
    assert principal(user=user).is_author(author)
    assert not principal(user="Practitioner/n18").is_author(author)
    assert not principal().is_author(author)


def test_an_identifier_of_another_system_is_another_person() -> None:
    def author(system: str | None) -> Author:
        identifier = {"value": "n-17"} | ({"system": system} if system else {})
        return Author.model_validate({"identifier": identifier, "role": "nurse"})

    who = principal(user="n-17")
    assert who.is_author(author(None))
    assert who.is_author(author(ISSUER))
    assert not who.is_author(author("urn:another:staff"))


def test_an_author_without_a_name_is_nobody() -> None:
    assert not principal(user="n-17").is_author(Author.model_validate({"role": "device"}))
