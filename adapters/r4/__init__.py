"""FHIR R4 as EHRs share it: mappings, validity, answers and probes that vendor files put together. No vendor's own way."""
