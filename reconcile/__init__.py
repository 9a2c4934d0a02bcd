"""Healing what did not finish: one file per sweep; it decides, and hands work back by making it due."""
