"""The history of the tables; `store/tables.py` says what they are now, and a test keeps the two equal."""
