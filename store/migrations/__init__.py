"""The history of the tables; `store/schema.py` says what they are now, and a test keeps the two equal."""
