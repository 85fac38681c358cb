"""From a PIN that somebody typed to the command that sets it: where the pool's keys are."""

from collections.abc import Callable

from protocol.card_pins import PinMaker
from server.directory.commands import SetCardPin
from server.directory.keys import PoolKeys
from server.directory.values import Card


def set_pin_command(
    keys: PoolKeys, maker: PinMaker, card: Card, *, pin: str, pin_id: str, reason: str
) -> SetCardPin:
    """The command that gives a card this PIN; the PIN itself is in none.

    Raises:
        protocol.card_pins.PinBusyError: too many PINs are being worked on.
    """
    secret = keys.card_secret(card.card_id, card.seq)
    made = maker.make(pin, secret, bytes.fromhex(card.card_id))
    return SetCardPin(
        pin_id=pin_id,
        card_id=card.card_id,
        seq=card.seq,
        verifier_hex=made.verifier.hex(),
        proof_key_hex=made.proof_key.hex(),
        reason=reason,
    )


def pin_setting(keys: PoolKeys, maker: PinMaker) -> Callable[[Card, str, str, str], SetCardPin]:
    """For whoever has no keys: the command from card, PIN, id and reason."""

    def make(card: Card, pin: str, pin_id: str, reason: str) -> SetCardPin:
        return set_pin_command(keys, maker, card, pin=pin, pin_id=pin_id, reason=reason)

    return make
