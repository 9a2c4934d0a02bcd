"""Answering three questions about one command: what was intended, what happened, what is authoritative now."""
