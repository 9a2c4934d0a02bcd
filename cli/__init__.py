"""The command line: starts the processes and shows what they did; it decides nothing."""
