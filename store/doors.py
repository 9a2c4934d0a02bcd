"""Everything the HTTP doors read and write in the store, in one hand; each part is a module of its own."""

from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from canonical.errors import StoreUnavailableError
from store.acknowledgements import Acknowledgements
from store.balance import Balances
from store.command_reads import CommandReads
from store.compensation_links import CompensationLinks
from store.consents import Consents
from store.database import check_durable
from store.endpoints import Endpoints
from store.figures import Figures
from store.questions import Questions
from store.switches import Switches
from store.withdrawals import Withdrawals


class Doors:
    """The store as the doors see it. Thread-safe, as each of its parts is."""

    def __init__(self, engine: Engine) -> None:
        """Work on ``engine``."""
        self._engine = engine
        self.commands = CommandReads(engine)
        self.withdrawals = Withdrawals(engine)
        self.compensations = CompensationLinks(engine)
        self.consents = Consents(engine)
        self.endpoints = Endpoints(engine)
        self.switches = Switches(engine)
        self.balances = Balances(engine)
        self.questions = Questions(engine)
        self.figures = Figures(engine)
        self.acknowledgements = Acknowledgements(engine)

    def check(self) -> None:
        """Pass only if the database is there and keeps what it commits.

        Raises ``StoreUnavailableError`` and ``ConfigurationError``.
        """
        try:
            check_durable(self._engine)
        except (OperationalError, PoolTimeout) as error:
            raise StoreUnavailableError from error
