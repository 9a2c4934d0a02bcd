"""The file on people: ours holds together; an installation's own replaces it whole, and a wrong one is refused by name."""

from datetime import date
from pathlib import Path

import pytest

from canonical.errors import ConfigurationError
from canonical.reviewer import Licence, Right
from config.people_policy import overdue, read_people_policy

OWN = """
owner = "chief pharmacist"
reviewed = 2026-01-01
next_review = 2026-06-30
[role.apotheker]
words = "Apotheker"
licences = ["pharmacist"]
rights = ["see_rows", "see_content", "decide"]
pools = ["clinical"]
"""


def test_each_licence_is_given_by_a_shipped_role_and_clinical_ones_by_no_role_that_oversees() -> None:
    roles = read_people_policy().role.values()
    assert {licence for role in roles for licence in role.licences} == set(Licence)
    overseers = [role for role in roles if Right.OVERSEE in role.rights or Right.BULK in role.rights]
    assert overseers
    assert {licence for role in overseers for licence in role.licences} == {Licence.OPERATIONS}


def test_an_installations_own_file_leaves_nothing_of_ours(tmp_path: Path) -> None:
    (tmp_path / "people.toml").write_text(OWN)
    assert set(read_people_policy(tmp_path).role) == {"apotheker"}


def test_a_folder_without_the_file_changes_nothing(tmp_path: Path) -> None:
    assert read_people_policy(tmp_path) == read_people_policy()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("owner = ", "not TOML"),
        (OWN.replace('"see_rows", ', ""), "role.apotheker: rights"),
        (OWN.replace("next_review = 2026-06-30", ""), "next_review"),
        (OWN + "colour = 1", "role.apotheker.colour"),
    ],
    ids=["not TOML", "rights", "no date", "unknown"],
)
def test_a_wrong_file_is_refused_by_its_row(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "people.toml").write_text(text)
    with pytest.raises(ConfigurationError, match=says):
        read_people_policy(tmp_path)


def test_an_overdue_review_names_who_answers_for_it(tmp_path: Path) -> None:
    (tmp_path / "people.toml").write_text(OWN)
    policy = read_people_policy(tmp_path)
    assert overdue(policy, date(2026, 6, 30)) == ""
    assert "chief pharmacist" in overdue(policy, date(2026, 7, 1))
