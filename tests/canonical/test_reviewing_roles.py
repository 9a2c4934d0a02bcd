"""What a role gives: from the claims of a login and from a bearer token, by the same data; an unknown role gives nothing."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from canonical.principal import Principal
from canonical.reviewer import Licence, Pool, Reviewer, Right
from canonical.reviewing_roles import NoReviewerError, ReviewingRoles, roles_of

NURSE: dict[str, Any] = {
    "words": "Nurse",
    "licences": ["nurse"],
    "rights": ["see_rows", "see_content", "decide"],
    "pools": ["clinical"],
}
WATCH: dict[str, Any] = {"words": "Watch", "rights": ["see_rows", "oversee"]}
DATED = {"owner": "somebody", "reviewed": "2026-01-01", "next_review": "2027-01-01"}
ROLES = ReviewingRoles.model_validate(DATED | {"role": {"nurse": NURSE, "watch": WATCH}})
CLAIMS = {
    "sub": "n1",
    "name": "Nora",
    "tenant": "north",
    "fhirUser": "https://ehr.example/fhir/Practitioner/n1",
    "roles": ["nurse"],
}


def of_claims(**over: Any) -> Reviewer:
    claims = {name: value for name, value in (CLAIMS | over).items() if value is not None}
    return ROLES.of_claims(claims, issuer="https://op.example", tenant_claim="tenant", user_claim="fhirUser")


def test_a_login_gives_what_the_data_says_of_the_role() -> None:
    assert of_claims() == Reviewer(
        tenant="north",
        issuer="https://op.example",
        subject="n1",
        name="Nora",
        fhir_user="Practitioner/n1",
        licences=frozenset({Licence.NURSE}),
        rights=frozenset({Right.SEE_ROWS, Right.SEE_CONTENT, Right.DECIDE}),
        pools=frozenset({Pool.CLINICAL}),
    )


def test_a_bearer_token_gives_the_same_person_as_their_login() -> None:
    principal = Principal(
        tenant="north",
        app="portal",
        user="https://ehr.example/fhir/Practitioner/n1",
        issuer="https://op.example",
        roles=frozenset({"nurse"}),
        subject="n1",
        name="Nora",
    )
    assert ROLES.of_principal(principal) == of_claims()


def test_an_app_by_itself_and_a_person_without_a_role_are_no_reviewers() -> None:
    known = {"tenant": "north", "app": "portal", "issuer": "https://op.example"}
    assert ROLES.of_principal(Principal(**known, roles=frozenset({"nurse"}))) is None  # type: ignore[arg-type]
    assert ROLES.of_principal(Principal(**known, subject="n1", roles=frozenset({"king"}))) is None  # type: ignore[arg-type]


@pytest.mark.parametrize("stated", [None, [], ["Nurse"], ["nurse "], ["king"], 7, {"nurse": True}, [["nurse"]], "king"])
def test_a_role_that_is_not_in_the_data_gives_nothing(stated: object) -> None:
    nobody = of_claims(roles=stated)
    assert (nobody.rights, nobody.licences, nobody.pools) == (frozenset(), frozenset(), frozenset())


@given(st.lists(st.sampled_from(["nurse", "watch", "king"])))
def test_several_roles_give_what_each_of_them_gives(stated: list[str]) -> None:
    held = [role for role in (NURSE, WATCH) if role["words"].lower() in stated]
    assert of_claims(roles=stated).rights == {Right(name) for role in held for name in role["rights"]}
    assert roles_of({"roles": stated}) == tuple(stated)


def test_one_role_may_be_stated_as_a_text() -> None:
    assert of_claims(roles="nurse") == of_claims()


@pytest.mark.parametrize(
    "over",
    [{"sub": None}, {"sub": ""}, {"sub": 7}, {"sub": "a\nb"}, {"sub": "x" * 257}, {"tenant": None}, {"tenant": "*"}],
    ids=str,
)
def test_a_login_without_a_person_or_a_tenant_is_nobodys(over: dict[str, Any]) -> None:
    with pytest.raises(NoReviewerError):
        of_claims(**over)


@pytest.mark.parametrize(
    "said", ["Patient/p1", "RelatedPerson/r1", "n1", "Practitioner/", "javascript:Practitioner/x", 7]
)
def test_who_is_no_staff_of_the_chart_has_no_reference_there(said: object) -> None:
    assert of_claims(fhirUser=said).fhir_user is None


def test_somebody_without_a_name_is_called_by_their_subject() -> None:
    assert of_claims(name=None).name == "n1"
    assert of_claims(name="No\x00ra").name == "n1"


@pytest.mark.parametrize(
    ("over", "says"),
    [
        ({"rights": []}, "rights"),
        ({"rights": ["fly"]}, "rights"),
        ({"rights": ["see_content"]}, "see_rows"),
        ({"rights": ["see_rows", "decide"]}, "see_content"),
        ({"licences": []}, "licences"),
        ({"licences": ["barber"]}, "licences"),
        ({"pools": []}, "pools"),
        ({"pool": ["clinical"]}, "pool"),
        ({"words": ""}, "words"),
    ],
    ids=str,
)
def test_a_row_that_cannot_be_meant_is_refused_by_name(over: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        ReviewingRoles.model_validate(DATED | {"role": {"nurse": NURSE | over}})


def test_the_file_names_its_owner_and_a_later_review() -> None:
    for over in ({"owner": ""}, {"next_review": "2026-01-01"}):
        with pytest.raises(ValidationError):
            ReviewingRoles.model_validate(DATED | over | {"role": {}})
