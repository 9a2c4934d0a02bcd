"""What may be written: actions, commands, life cycle, policies. Pure: no I/O, imports no other room."""
