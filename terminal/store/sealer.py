"""Makes the journal's records: the next place in the chain, sealed with the terminal's key."""

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec import Struct

from protocol.journal import GENESIS, Envelope, SignedRecord, encode_happening, seal
from protocol.sales import Happening
from terminal.domain.ports import Moment, TerminalIdentity


class ChainHead(Struct, frozen=True):
    """The newest record's place and hash; seq 0 before an epoch's first record."""

    epoch: int
    seq: int
    hash_hex: str


class Sealer(Struct, frozen=True):
    """``boot_id`` tells one run of the machine from the next."""

    identity: TerminalIdentity
    key: Ed25519PrivateKey
    boot_id: str

    def seal_next(
        self,
        head: ChainHead | None,
        happening: Happening,
        at: Moment,
        *,
        policy_version: int,
        directory_version: int,
        epoch: int | None = None,
    ) -> tuple[ChainHead, SignedRecord]:
        """The record after ``head``, and the head that it makes.

        ``epoch``: the one in use; without it, the one that came with enrolment.
        """
        epoch = self.identity.epoch if epoch is None else epoch
        same_epoch = head is not None and head.epoch == epoch
        seq = head.seq + 1 if same_epoch and head is not None else 1
        envelope = Envelope(
            terminal=self.identity.terminal,
            epoch=epoch,
            seq=seq,
            prev_hash=head.hash_hex if same_epoch and head is not None else GENESIS,
            occurred_at=at.at,
            monotonic_ms=at.monotonic_ms,
            boot_id=self.boot_id,
            clock_state=at.clock_state,
            policy_version=policy_version,
            directory_version=directory_version,
            happening=encode_happening(happening),
        )
        record = seal(envelope, self.key)
        return ChainHead(epoch, seq, record.hash_hex), record
