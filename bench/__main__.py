"""One run of the write's benchmarks: what a clean create costs, and how fast it is beside a bare task. ``python -m bench``."""

from __future__ import annotations

from bench import cost, throughput

if __name__ == "__main__":
    cost.main()
    throughput.main()
