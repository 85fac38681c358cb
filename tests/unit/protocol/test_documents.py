"""What stands in the pool's documents, byte by byte where it matters."""

import msgspec

from protocol.documents import DirectoryCard


def test_a_card_without_a_pin_says_nothing_of_one() -> None:
    card = DirectoryCard(card_id="00000000000000c1", seq=1)
    assert msgspec.json.encode(card) == b'{"card_id":"00000000000000c1","seq":1}'
    assert msgspec.json.decode(msgspec.json.encode(card), type=DirectoryCard).pin_verifier is None


def test_a_cards_pin_verifier_reaches_the_terminal_as_it_is() -> None:
    phc = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$dmVyaWZpZXJ2ZXJpZmllcg"
    card = DirectoryCard(card_id="00000000000000c1", seq=1, pin_verifier=phc)
    assert msgspec.json.decode(msgspec.json.encode(card), type=DirectoryCard).pin_verifier == phc
