"""How each EHR wants it: one file per EHR and the FHIR wire they share; never where things are remembered."""
