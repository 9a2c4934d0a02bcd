"""An installation's policies over the shipped ones: read, laid over, and refused by name where they may not be used."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest

from canonical.action import action_specs
from canonical.errors import ConfigurationError
from canonical.policy import Need, Rule
from canonical.reviewer import Licence
from config import policy_files
from config.policy_files import overdue, read_policies

SHIPPED = Path("config/policies")


def folder(root: Path, **files: str) -> Path:
    for name, text in files.items():
        (root / f"{name}.toml").write_text(text, encoding="utf-8")
    return root


def refused(root: Path, **files: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        read_policies(folder(root, **files))
    return str(caught.value)


def test_there_is_a_shipped_file_for_every_action() -> None:
    assert set(read_policies().actions) == set(action_specs())


def test_a_row_of_the_installation_takes_the_place_of_the_shipped_one_and_no_other(tmp_path: Path) -> None:
    shipped = read_policies()
    own = read_policies(folder(tmp_path, care_task='owner = "our task board"\n[groups.who]\ndecide = ["pharmacist"]\n'))
    task, before = own.action("CareTask"), shipped.action("CareTask")
    assert task.owner == "our task board"
    assert task.group("who").decide == {Licence.PHARMACIST}
    assert task.group("who").rule is before.group("who").rule is Rule.MERGE
    assert task.operations == before.operations
    assert own.version != shipped.version
    assert own.action("VitalReading") == shipped.action("VitalReading")


def test_a_list_of_the_installation_stands_in_place_of_the_shipped_one(tmp_path: Path) -> None:
    queue = '[[merge]]\nsignificance = "low"\nrollback = "takes_back"\n'
    assert len(read_policies(folder(tmp_path, queue=queue)).queue.merge) == 1


def test_the_people_s_file_in_the_same_folder_is_not_read_here(tmp_path: Path) -> None:
    assert read_policies(folder(tmp_path, people="not = toml = at all")).version == read_policies().version


def test_an_installation_s_own_list_of_high_alert_medicines_holds(tmp_path: Path) -> None:
    text = (
        'owner = "o"\nreviewed = 2026-01-01\nnext_review = 2026-02-01\nsource = "s"\n'
        '[[class]]\nname = "heparins"\ningredients = ["5224"]\nnames = ["heparin"]\n'
    )
    own = read_policies(folder(tmp_path, high_alert_medicines=text))
    assert [one.name for one in own.high_alert.classes] == ["heparins"]
    assert "high_alert_medicines.toml was to be reviewed by 2026-02-01" in overdue(own, date(2026, 2, 2))[0]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("prescription", 'action = "Prescription"', "prescription.toml"),
        ("care_task", "[groups.pharmacy]", "care_task.toml: groups.pharmacy"),
        ("care_task", '[groups.who]\ndecide = ["janitor"]', "care_task.toml: groups.who.decide"),
        ("care_task", 'action = "VitalReading"', "care_task.toml: action"),
        ("care_task", '[groups.who]\ncolour = "red"', "groups.who.colour"),
        ("medication_change", '[groups.dose]\nrule = "append"', "medication_change.toml: groups.dose.rule"),
        ("medication_change", "[groups.source]\nbookkeeping = true", "groups.source.bookkeeping"),
        ("medication_reconciliation", "[groups.source]\nbookkeeping = true", "groups.source.bookkeeping"),
        ("allergy_update", "[groups.source]\nbookkeeping = true", "groups.source.bookkeeping"),
        ("problem_update", "[groups.source]\nbookkeeping = true", "groups.source.bookkeeping"),
        ("vital_reading", '[groups.status]\nalike = ["final", "entered-in-error"]', "groups.status.alike"),
        ("vital_reading", "[groups.value]\nbookkeeping = true", "groups.value.bookkeeping"),
        ("allergy_update", '[operations.refute]\nneeds_person = "never"', "operations.refute.needs_person"),
        ("medication_change", "protected = false", "protected"),
        ("queue", "round_limit = 0", "queue.toml: round_limit"),
        ("queue", "[severity.1]\ndue_minutes = 9999", "queue.toml: severity"),
        ("queue", "x = =", "is not TOML"),
        ("high_alert_medicines", 'owner = "o"', "reviewed"),
        ("high_alert_medicines", "class = 3", "owner"),
    ],
)
def test_what_may_not_be_used_is_refused_by_file_and_row(tmp_path: Path, name: str, text: str, said: str) -> None:
    assert said in refused(tmp_path, **{name: text})


def test_a_folder_that_is_not_there_is_named_with_its_setting(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="WRITEBACK_POLICIES_DIR"):
        read_policies(tmp_path / "nowhere")


def test_a_policy_that_was_to_be_reviewed_is_told_with_its_owner_the_day_after() -> None:
    policies = read_policies()
    due = policies.action("CareTask").next_review
    assert due is not None
    assert not [line for line in overdue(policies, due) if line.startswith("care_task.toml")]
    (line,) = [line for line in overdue(policies, due + timedelta(days=1)) if line.startswith("care_task.toml")]
    assert policies.action("CareTask").owner in line


def test_what_has_no_file_yet_follows_from_its_specification(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new action is one file: without policies of its own it is reviewed, and a prescriber decides."""
    for file in SHIPPED.glob("*.toml"):
        if file.name != "care_task.toml":
            (tmp_path / file.name).write_bytes(file.read_bytes())
    monkeypatch.setattr(policy_files, "SHIPPED", tmp_path)
    policy = read_policies().action("CareTask")
    assert (policy.owner, policy.group("who").rule) == ("", Rule.REVIEW)
    assert policy.operation("cancel").needs_person is Need.UNLESS_AUTHORED_BY


def test_without_a_queue_s_file_nothing_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policy_files, "SHIPPED", tmp_path)
    with pytest.raises(ConfigurationError, match=r"queue\.toml"):
        read_policies()
