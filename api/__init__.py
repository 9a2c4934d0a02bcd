"""The doors: HTTP intake, status pages and metrics; it records and reads, and never writes to an EHR."""
