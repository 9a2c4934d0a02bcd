from adapters.r4.change import Handler
from adapters.r4.support import need, refused, supported
from canonical.capabilities import Interaction, Landing, Meaning, Way, Write

RECORD = Handler(resource_type="AllergyIntolerance", build=lambda _change: {}, creates=True)
UPDATE = Handler(resource_type="AllergyIntolerance", build=lambda _change: {})
WRITES = {
    ("AllergyIntolerance", Interaction.CREATE): Write(meaning=Meaning.CREATES, landing=Landing.REVIEW),
    ("AllergyIntolerance", Interaction.UPDATE): Write(meaning=Meaning.REPLACES),
}


def test_operation_needs_the_verb_by_which_its_resource_leaves() -> None:
    assert need(RECORD) == ("AllergyIntolerance", Interaction.CREATE)
    assert need(UPDATE) == ("AllergyIntolerance", Interaction.UPDATE)


def test_operation_whose_write_is_held_by_the_ehr_is_taken_for_review() -> None:
    found = supported({("AllergyUpdate", "record"): RECORD, ("AllergyUpdate", "update"): UPDATE}, WRITES)
    assert found["AllergyUpdate", "record"].way is Way.REVIEW
    assert found["AllergyUpdate", "update"].way is Way.DIRECT


def test_refusal_tells_why() -> None:
    (support,) = refused("ProblemUpdate", {"update": "An update takes the problem back there."}).values()
    assert (support.way, support.why) == (Way.REFUSED, "An update takes the problem back there.")
