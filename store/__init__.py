"""Where it is remembered: tables, event log, repositories and migrations; knows no EHR."""
