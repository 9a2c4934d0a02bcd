"""The demonstration: a synthetic hospital, many actions, faults, and a judge who trusts nobody's word."""
