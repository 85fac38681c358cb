"""The question to the pool: what is asked for a code, and the terminal's own answer if need be."""

from uuid import UUID

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from msgspec.structs import replace

from protocol.business_day import business_date
from protocol.card_pins import pin_proof
from protocol.codes import (
    CardCode,
    ConfirmCode,
    ResidentCode,
    ShowCode,
    SlotCode,
    card_proof,
)
from protocol.codes.challenge import nonce_of
from protocol.codes.phone import show_limit
from protocol.codes.verifying import (
    certificate_expired,
    certificate_problem,
    confirm_problem,
    signature_problem,
    time_problem,
)
from protocol.documents import Policy
from protocol.evidence import (
    CardEvidence,
    ConfirmEvidence,
    Evidence,
    ManualEvidence,
    PinEvidence,
    ShowEvidence,
    SlotEvidence,
)
from protocol.issuers import dead_key, role_of
from protocol.journal import ClockState
from protocol.keys import pool_tag, read_public_key
from protocol.messages import Approved, AuthoriseRequest, ItemUnits
from protocol.money import Points
from protocol.reasons import Declined, DeclineReason
from protocol.redemption import PointsWanted, RedemptionTerms, refusal
from terminal.checkout.card_pins import CardPins
from terminal.domain.card_pin import CardWithPin, PinAsking
from terminal.domain.ports import (
    Clock,
    PoolDocuments,
    Store,
    StoreFaultError,
    TerminalIdentity,
)
from terminal.domain.presented import (
    Challenger,
    ConfirmedCode,
    Confirming,
    ManualCode,
    NoChallenger,
    PhoneCode,
    PresentedCode,
    ScannedCode,
    phone_counter,
)
from terminal.domain.stand_in import ImageTrust, stand_in
from terminal.domain.taken import looked_back_to, no_more_of, used_on


def terms_of(policy: Policy) -> RedemptionTerms:
    """The part of a policy that the redemption rule needs."""
    return RedemptionTerms(policy.fen_per_point, policy.fen_remainder, policy.limits)


def code_cap(code: PresentedCode, policy: Policy) -> int:
    """Most points a sale for this code: what its signature carries and what the policy says."""
    if isinstance(code, ConfirmedCode):
        return code.challenge.points
    if isinstance(code, ManualCode):
        return min(policy.limits.manual_day_points, policy.card_cap_points)
    if isinstance(code, ShowCode):
        return show_limit(code.certificate, policy.slot_cap_points)
    is_card = isinstance(code, CardCode | CardWithPin)
    by_kind = policy.card_cap_points if is_card else policy.slot_cap_points
    return min(code.cap, by_kind)


def bare(code: ResidentCode | CardWithPin | ShowCode) -> ResidentCode | ShowCode:
    """The code as it was scanned."""
    return code.card if isinstance(code, CardWithPin) else code


def is_answer_to(request: AuthoriseRequest, answer: Approved | Declined) -> bool:
    """Whether an approval is one for this question; anything else is nonsense."""
    if isinstance(answer, Declined):
        return True
    highest = request.required_points + request.optional_points
    some = answer.points > 0 or bool(request.limited_items)
    return request.required_points <= answer.points <= highest and some


class Asking:
    """Makes questions about codes, and answers them where the server cannot."""

    def __init__(
        self,
        identity: TerminalIdentity,
        store: Store,
        clock: Clock,
        trust: ImageTrust,
        challenger: Challenger | None = None,
        *,
        pins: CardPins | None = None,
    ) -> None:
        self._trust = trust
        self._pins = pins
        self._challenger = challenger or NoChallenger()
        self._terminal = identity.terminal
        self._tag = pool_tag(read_public_key(identity.root_key))
        self._store = store
        self._clock = clock

    def question(
        self,
        sale_id: UUID,
        code: PresentedCode,
        wanted: PointsWanted,
        policy: Policy,
        items: tuple[ItemUnits, ...] = (),
        *,
        may_confirm: bool = True,
        without_pin: int | None = None,
    ) -> AuthoriseRequest | Declined | Confirming | PinAsking:
        """What to ask the pool, or why the code is refused at once: nobody need be asked.

        Or what the phone must say yes to first, where its code alone is not enough:
        more points than showing it is good for, or no clock to judge it by. ``may_confirm``:
        whether the phone can; otherwise as many points as showing is good for. ``without_pin``:
        a card's PIN is not typed, and no more points than these are asked for.

        Raises:
            StoreFaultError: what was taken already cannot be read.
        """
        moment = self._clock.moment()
        declined = (
            _manual_problem(policy)
            if isinstance(code, ManualCode)
            else self._code_problem(sale_id, code, policy)
        )
        if declined is None and isinstance(code, ShowCode) and may_confirm:
            confirming = self._confirming(sale_id, code, wanted, policy)
            if confirming is not None:
                return confirming
        if declined is None and not isinstance(code, ConfirmedCode | ManualCode):
            now = None if moment.clock_state is ClockState.UNKNOWN else moment.at
            declined = time_problem(bare(code), now)
        if declined is not None:
            return declined
        refused = refusal(wanted)
        if refused is not None and (wanted.refused_by is not None or not items):
            return refused
        cap = code_cap(code, policy)
        if isinstance(code, CardCode):
            pin = self._pin_needed(code, at_most(wanted, cap), policy, without_pin)
            if pin is not None:
                return pin
            cap = cap if without_pin is None else min(cap, without_pin)
        if wanted.required > cap:
            return Declined(_too_much(code), limit_points=Points(cap))
        optional = min(wanted.optional, cap - wanted.required)
        return AuthoriseRequest(
            sale_id=sale_id,
            evidence=self.evidence(sale_id, code, wanted.required + optional),
            required_points=wanted.required,
            optional_points=optional,
            occurred_at=moment.at,
            limited_items=items,
        )

    def _pin_needed(
        self, card: CardCode, wanted: PointsWanted, policy: Policy, without_pin: int | None
    ) -> PinAsking | Declined | None:
        """What stands in the way of a card without its PIN."""
        if without_pin is None:
            return self._pins.asking(card, wanted, policy) if self._pins is not None else None
        if wanted.required > without_pin:
            return Declined(DeclineReason.PIN_NEEDED, limit_points=Points(without_pin))
        return None

    def confirmed(
        self, confirming: Confirming | None, answer: ConfirmCode
    ) -> ConfirmedCode | Declined:
        """The phone's yes to what this till asked, or that it is to another question."""
        if confirming is None:
            return Declined(DeclineReason.CONFIRM_OTHER)
        declined = confirm_problem(
            answer, confirming.show.certificate, confirming.challenge, self._tag
        )
        return declined or ConfirmedCode(confirming.show, confirming.challenge, answer)

    def kept(
        self,
        sale_id: UUID,
        confirming: Confirming | None,
        code: PresentedCode,
        policy: Policy | None,
    ) -> Confirming | None:
        """The question that stands, where it is for the phone that shows a code again; else None.

        With the newer code, for the one before may have run out while the resident looked. A code
        that is not newer, not good, or cannot be judged now changes nothing.
        """
        if confirming is None or policy is None or not isinstance(code, ShowCode):
            return None
        if code.certificate != confirming.show.certificate:
            return None
        moment = self._clock.moment()
        now = None if moment.clock_state is ClockState.UNKNOWN else moment.at
        if code.counter <= confirming.show.counter:
            return confirming
        try:
            declined = self._code_problem(sale_id, code, policy)
        except StoreFaultError:
            return confirming  # the next question meets the fault, and tells it
        if now is not None:
            declined = declined or time_problem(code, now)
        return confirming if declined is not None else replace(confirming, show=code)

    def _code_problem(self, sale_id: UUID, code: ScannedCode, policy: Policy) -> Declined | None:
        """What is wrong with a code for this sale, whatever the time."""
        declined, keys = self._issuer_keys(code, policy)
        if declined is not None:
            return declined
        if isinstance(code, ConfirmedCode) and code.challenge.nonce != nonce_of(sale_id):
            # Another page began with the next customer while this yes was on its way.
            return Declined(DeclineReason.CONFIRM_OTHER)
        if not isinstance(code, ConfirmedCode):
            declined = signature_problem(bare(code), keys, self._tag)
        else:
            declined = certificate_problem(code.show.certificate, keys, self._tag)
            declined = declined or confirm_problem(
                code.answer, code.show.certificate, code.challenge, self._tag
            )
        if declined is not None:
            return declined
        if isinstance(code, PhoneCode):
            return self._phone_problem(code)
        # A slot carries the number of the phone it was made for; 0: the pool made it by itself.
        if (
            isinstance(code, SlotCode)
            and code.batch
            and self._is_ended(code.account.hex(), code.batch)
        ):
            return Declined(DeclineReason.PHONE_REVOKED)
        return None

    def _issuer_keys(
        self, code: ScannedCode, policy: Policy
    ) -> tuple[Declined | None, dict[int, Ed25519PublicKey]]:
        """The keys that may have signed a code; and why its own one is good no longer, if so.

        The root key's list counts. Without one, the policy, which that key signed then, names them.
        """
        listed = self._store.documents().keys
        if listed is None:
            return None, {key.kid: read_public_key(key.public_key) for key in policy.issuer_keys}
        shown = code.show if isinstance(code, ConfirmedCode) else bare(code)
        kid = shown.certificate.kid if isinstance(shown, ShowCode) else shown.kid
        moment = self._clock.moment()
        now = None if moment.clock_state is ClockState.UNKNOWN else moment.at
        role = role_of(shown)
        return dead_key(listed, role, kid, now), listed.live(role, now)

    def _is_ended(self, account: str, seq: int) -> bool:
        """Whether the directory speaks against an account's phone of this number."""
        entry = self._store.resident(account)
        return entry is not None and seq < entry.phone_seq

    def _phone_problem(self, code: PhoneCode) -> Declined | None:
        account, seq, counter = phone_counter(code)
        if self._is_ended(account, seq):
            return Declined(DeclineReason.PHONE_REVOKED)
        if counter <= self._store.phone_counter(account, seq):
            return Declined(DeclineReason.CODE_USED)
        moment = self._clock.moment()
        if moment.clock_state is ClockState.UNKNOWN:
            return None
        certificate = (code if isinstance(code, ShowCode) else code.show).certificate
        return certificate_expired(certificate, moment.at)

    def _confirming(
        self, sale_id: UUID, code: ShowCode, wanted: PointsWanted, policy: Policy
    ) -> Confirming | None:
        """What the phone must say yes to; None where showing its code is enough, or where this
        till has no certificate to ask with.
        """
        moment, limit = self._clock.moment(), code_cap(code, policy)
        knows_time = moment.clock_state is not ClockState.UNKNOWN
        if knows_time and (time_problem(code, moment.at) is not None or wanted.most <= limit):
            return None
        asked = self._challenger.challenge(sale_id, wanted.most, moment, code.certificate.kid)
        if asked is None:
            return None
        skip = limit if knows_time and wanted.required <= limit else 0
        return Confirming(code, asked, skip)

    def own_answer(
        self, request: AuthoriseRequest, code: PresentedCode, documents: PoolDocuments
    ) -> Approved | Declined:
        """Stand in for a server that gives no answer, within the policy's limits.

        Raises:
            StoreFaultError: what was taken already cannot be read.
        """
        if isinstance(code, ManualCode):
            # Who stands there is the owner's word alone; what is his, and his limit, the server's.
            return Declined(DeclineReason.MANUAL_OFFLINE)
        if documents.policy is None:
            return Declined(DeclineReason.OFFLINE_STOPPED)
        account = self._account(code)
        if account is None:
            return Declined(DeclineReason.CODE_REVOKED)
        made_at = documents.directory.made_at if documents.directory else None
        moment = self._clock.moment()
        now = moment.at
        hour = documents.policy.cut_off_hour
        day = business_date(now, hour)
        sales = self._store.sales_since(account, looked_back_to(day, hour))
        no_more = no_more_of(request.limited_items, documents.catalogue, sales, day)
        if no_more is not None:
            return no_more
        return stand_in(
            PointsWanted(Points(request.required_points), Points(request.optional_points)),
            account=account,
            code_cap=min(code.cap, code_cap(code, documents.policy)),
            made_at=made_at,
            entry=self._store.resident(account),
            policy=documents.policy,
            exposure=self._store.exposure(account, made_at),
            now=now,
            used=used_on(day, sales),
            goods_alone=bool(request.limited_items),
            by_card=isinstance(code, CardCode | CardWithPin),
            # Without the time nobody knows how old the directory is: as if it were old.
            trusted=self._trust.is_confirmed and moment.clock_state is not ClockState.UNKNOWN,
        )

    def whose(self, use_id: UUID, code: ResidentCode | ShowCode) -> str | Declined:
        """The resident whose genuine code this is, in its time, as far as this till can know.

        A resident who may not redeem may still earn. A denominated card is nobody's: it answers
        its own number, which is no resident.

        Raises:
            StoreFaultError: which codes were used cannot be read.
        """
        documents, moment = self._store.documents(), self._clock.moment()
        if documents.policy is None or documents.directory is None:
            return Declined(DeclineReason.OFFLINE_STOPPED)
        now = None if moment.clock_state is ClockState.UNKNOWN else moment.at
        declined = self._code_problem(use_id, code, documents.policy) or time_problem(code, now)
        if declined is not None:
            return declined
        account = self._account(code)
        if account is None:
            return Declined(DeclineReason.CODE_REVOKED)
        if self._store.resident(account) is None:
            return Declined(DeclineReason.RESIDENT_UNKNOWN)
        return account

    def holder(self, code: PresentedCode) -> tuple[str | None, bool]:
        """Whose code it says that it is, as far as the directory knows, and whether it is a
        denominated card, which is nobody's. Nothing of the code is checked.
        """
        account = self._account(code)
        card = code.card if isinstance(code, CardWithPin) else code
        return account, isinstance(card, CardCode) and card.card_id.hex() == account

    def _account(self, code: PresentedCode) -> str | None:
        """Whose code it is, as far as the directory knows; None for a card that is not in it."""
        if isinstance(code, ManualCode):
            return code.account
        if isinstance(code, CardWithPin):
            code = code.card
        if not isinstance(code, CardCode):
            return code.account.hex()
        holder = self._store.holder_of_card(code.card_id.hex(), code.seq)
        return holder.account if holder is not None else None

    def evidence(self, sale_id: UUID, code: PresentedCode, points: int) -> Evidence:
        """What the sale keeps of the code: never a card's secret."""
        if isinstance(code, ManualCode):
            return ManualEvidence(
                card_id=code.card_id,
                seq=code.seq,
                allowed_by=code.allowed_by,
                reason=code.reason,
            )
        if isinstance(code, CardWithPin):
            proof = pin_proof(code.proof_key, sale_id, points, self._terminal)
            evidence = self.evidence(sale_id, code.card, points)
            assert isinstance(evidence, CardEvidence)
            pin = PinEvidence(pin_round=code.pin_round, proof_hex=proof.hex())
            return msgspec.structs.replace(evidence, pin=pin)
        if isinstance(code, CardCode):
            proof = card_proof(code.secret, sale_id, points, self._terminal)
            return CardEvidence(card_id=code.card_id.hex(), seq=code.seq, proof_hex=proof.hex())
        if isinstance(code, ConfirmedCode):
            return ConfirmEvidence(
                certificate_hex=code.show.certificate.signed.hex(),
                challenge_hex=code.challenge.payload.hex(),
                answer_hex=code.answer.payload.hex(),
            )
        if isinstance(code, ShowCode):
            return ShowEvidence(payload_hex=code.payload.hex())
        return SlotEvidence(payload_hex=code.payload.hex())


def at_most(wanted: PointsWanted, cap: int) -> PointsWanted:
    """No PIN is asked for points that a card cannot take in any case."""
    optional = Points(max(0, min(wanted.optional, cap - wanted.required)))
    return replace(wanted, optional=optional)


def _manual_problem(policy: Policy) -> Declined | None:
    off = policy.limits.manual_day_points <= 0
    return Declined(DeclineReason.MANUAL_OFF) if off else None


def _too_much(code: PresentedCode) -> DeclineReason:
    if isinstance(code, ManualCode):
        return DeclineReason.MANUAL_LIMIT
    phone = isinstance(code, ShowCode)
    return DeclineReason.CONFIRM_NEEDED if phone else DeclineReason.CODE_CAP_EXCEEDED
