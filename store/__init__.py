"""Where writes are remembered: tables, event log, guarded moves, migrations. Imports `canonical` only."""
