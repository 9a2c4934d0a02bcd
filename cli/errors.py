"""What the command line cannot do, as a sentence for the person at the terminal; not the errors of the service."""

from canonical.errors import WritebackError


class CannotDo(WritebackError):
    """The command could not be carried out; the text says what is safe and what to do."""
