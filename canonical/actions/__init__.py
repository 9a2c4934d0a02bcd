"""The canonical actions, one module each; a module here declares one ``SPEC`` and is found without being listed."""
