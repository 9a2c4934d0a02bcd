"""What can go wrong with processes we start; each text says what is safe and what to do."""


class ProcessTrouble(Exception):
    """A process could not be started, watched or stopped."""


class DataDirectoryInUse(ProcessTrouble):
    """Another process works on this data directory; stop it, or give another directory."""


class DidNotStart(ProcessTrouble):
    """A process ended or stayed silent before it was ready; its log says why."""


class CannotRunAsRoot(ProcessTrouble):
    """PostgreSQL refuses root, and no way to run it as somebody else is open here."""
