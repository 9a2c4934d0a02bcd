"""The standard EHR: FHIR R4 (4.0.1) as the specification has it, with every default of `Behaviour`."""

from sandbox.personality import Personality

PERSONALITY = Personality(key="fhir_r4")
