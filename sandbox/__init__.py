"""A FHIR R4 EHR and OAuth issuer for tests and integrators; not a server to keep real patients in."""
