"""The question to the pool: what is asked for a code, and the terminal's own answer if need be."""

from uuid import UUID

from protocol.business_day import business_date
from protocol.codes import CardCode, ResidentCode, card_proof, verify_code
from protocol.documents import Policy
from protocol.evidence import CardEvidence, Evidence, SlotEvidence
from protocol.journal import ClockState
from protocol.keys import pool_tag, read_public_key
from protocol.messages import Approved, AuthoriseRequest, ItemUnits
from protocol.money import Points
from protocol.reasons import Declined, DeclineReason
from protocol.redemption import PointsWanted, RedemptionTerms, refusal
from terminal.domain.ports import Clock, PoolDocuments, Store, TerminalIdentity
from terminal.domain.stand_in import ImageTrust, stand_in
from terminal.domain.taken import looked_back_to, no_more_of, used_on


def terms_of(policy: Policy) -> RedemptionTerms:
    """The part of a policy that the redemption rule needs."""
    return RedemptionTerms(policy.fen_per_point, policy.fen_remainder, policy.limits)


def code_cap(code: ResidentCode, policy: Policy) -> int:
    """Most points a sale for this code: what its signature carries and what the policy says."""
    by_kind = policy.card_cap_points if isinstance(code, CardCode) else policy.slot_cap_points
    return min(code.cap, by_kind)


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
        self, identity: TerminalIdentity, store: Store, clock: Clock, trust: ImageTrust
    ) -> None:
        self._trust = trust
        self._terminal = identity.terminal
        self._tag = pool_tag(read_public_key(identity.root_key))
        self._store = store
        self._clock = clock

    def question(
        self,
        sale_id: UUID,
        code: ResidentCode,
        wanted: PointsWanted,
        policy: Policy,
        items: tuple[ItemUnits, ...] = (),
    ) -> AuthoriseRequest | Declined:
        """What to ask the pool, or why the code is refused at once: nobody need be asked."""
        moment = self._clock.moment()
        now = None if moment.clock_state is ClockState.UNKNOWN else moment.at
        keys = {key.kid: read_public_key(key.public_key) for key in policy.issuer_keys}
        declined = verify_code(code, keys, self._tag, now)
        if declined is not None:
            return declined
        refused = refusal(wanted)
        if refused is not None and (wanted.refused_by is not None or not items):
            return refused
        cap = code_cap(code, policy)
        if wanted.required > cap:
            return Declined(DeclineReason.CODE_CAP_EXCEEDED, limit_points=Points(cap))
        optional = min(wanted.optional, cap - wanted.required)
        return AuthoriseRequest(
            sale_id=sale_id,
            evidence=self.evidence(sale_id, code, wanted.required + optional),
            required_points=wanted.required,
            optional_points=optional,
            occurred_at=moment.at,
            limited_items=items,
        )

    def own_answer(
        self, request: AuthoriseRequest, code: ResidentCode, documents: PoolDocuments
    ) -> Approved | Declined:
        """Stand in for a server that gives no answer, within the policy's limits.

        Raises:
            StoreFaultError: what was taken already cannot be read.
        """
        if documents.policy is None:
            return Declined(DeclineReason.OFFLINE_STOPPED)
        account = _account(code, documents)
        if account is None:
            return Declined(DeclineReason.CODE_REVOKED)
        now = self._clock.moment().at
        hour = documents.policy.cut_off_hour
        day = business_date(now, hour)
        sales = self._store.sales_since(account, looked_back_to(day, hour))
        no_more = no_more_of(request.limited_items, documents.catalogue, sales, day)
        if no_more is not None:
            return no_more
        return stand_in(
            PointsWanted(Points(request.required_points), Points(request.optional_points)),
            account=account,
            code_cap=code_cap(code, documents.policy),
            directory=documents.directory,
            policy=documents.policy,
            exposure=self._store.exposure(
                account, documents.directory.made_at if documents.directory else None
            ),
            now=now,
            used=used_on(day, sales),
            goods_alone=bool(request.limited_items),
            by_card=isinstance(code, CardCode),
            trusted=self._trust.is_confirmed,
        )

    def evidence(self, sale_id: UUID, code: ResidentCode, points: int) -> Evidence:
        """What the sale keeps of the code: never a card's secret."""
        if isinstance(code, CardCode):
            proof = card_proof(code.secret, sale_id, points, self._terminal)
            return CardEvidence(card_id=code.card_id.hex(), seq=code.seq, proof_hex=proof.hex())
        return SlotEvidence(payload_hex=code.payload.hex())


def _account(code: ResidentCode, documents: PoolDocuments) -> str | None:
    """Whose code it is, as far as the directory knows; None for a card that is not in it."""
    if not isinstance(code, CardCode):
        return code.account.hex()
    card_id = code.card_id.hex()
    entries = documents.directory.entries if documents.directory else ()
    for entry in entries:
        for card in entry.cards:
            if card.card_id == card_id and card.seq == code.seq:
                return entry.account
    return None
