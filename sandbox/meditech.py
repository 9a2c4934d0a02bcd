"""MEDITECH as its open server states it: messages and questionnaire responses can be written, and nothing else.

Facts: the vendor's live statement (2026), which has no versioning flags. How a create is answered is not known: the standard's
way without a version stands for it, and the settings of `Behaviour` can say otherwise. A client that its token endpoint turns
away (400 unauthorized_client) is one registered as not mapped. Discovery names scopes of every type; no write follows from it.
"""

from sandbox.call import Interaction
from sandbox.personality import Personality

PERSONALITY = Personality(
    key="meditech",
    behaviour={
        "provenance": "none",
        "meta_source": "hidden",
        "if_none_exist": "ignore",
        "precondition": "none",
        "etags": False,
        "version_ids": "none",
        "bundles": "refuse",
        "bundle_refused_status": 404,
        "request_id_header": "mtrestapi-requestid",
    },
    verbs={
        "Communication": frozenset({Interaction.CREATE}),
        "QuestionnaireResponse": frozenset({Interaction.CREATE, Interaction.UPDATE}),
    },
    reads=frozenset({Interaction.READ, Interaction.SEARCH}),
    advertised=(),
)
