"""One file per step, never edited after it was released."""
