"""Settings, connections, policies as data, and the wiring; no behaviour of its own."""
