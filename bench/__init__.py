"""Benchmarks: ratios side by side in one run. Nothing here is asserted in a test."""
