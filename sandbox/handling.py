"""Which code does what a call asks, whichever door it came through; not the doing."""

from sandbox import bundles, interactions
from sandbox.answers import Answer
from sandbox.call import Interaction
from sandbox.personality import Situation


def perform(at: Situation) -> Answer:
    """Do what the call asks; a write is done in the transaction of the chart's connection.

    Raises:
        Refusal: nothing of it is to be stored.
    """
    if at.call.native is not None:
        return at.call.native(at)
    if at.call.interaction in _BUNDLES:
        return (at.personality.base or _BUNDLES[at.call.interaction])(at)
    return interactions.HANDLERS[at.call.interaction](at)


_BUNDLES = {Interaction.TRANSACTION: bundles.transaction, Interaction.BATCH: bundles.batch}
