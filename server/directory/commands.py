"""What can be told to the directory. Each command is a fact and carries everything it needs.

The field ``kind`` names a command, in the fact log and in the lines of an import file.
"""

from datetime import date, datetime
from typing import Annotated

from msgspec import Meta, Struct

from protocol.documents import IssuerKey, Item, StandInLimits
from protocol.money import BASIS_POINTS_WHOLE
from protocol.redemption import FenRemainder, LimitPeriod, Limits
from protocol.sales import Fulfilment
from server.directory.contract_terms import ContractTerms
from server.directory.values import SignInRole

Id = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,30}$")]
HexId = Annotated[str, Meta(pattern=r"^[0-9a-f]{16}$")]
Name = Annotated[str, Meta(min_length=1, max_length=80)]
KeyText = Annotated[str, Meta(max_length=80)]
HashHex = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]
BasisPoints = Annotated[int, Meta(ge=0, le=10_000)]
CodePoints = Annotated[int, Meta(ge=1, le=65_535)]
Seq = Annotated[int, Meta(ge=1, le=255)]
"""A card's code has one byte for it."""
Price = Annotated[int, Meta(ge=0, le=1_000_000_000)]
Unit = Annotated[str, Meta(min_length=1, max_length=16)]
Some = Annotated[int, Meta(ge=1, le=1_000_000_000)]
ExpiryDays = Annotated[int, Meta(ge=1, le=36_500)]
CoverBp = Annotated[int, Meta(ge=1, le=100_000)]
Reason = Annotated[str, Meta(max_length=200)]
HalfHex = Annotated[str, Meta(pattern=r"^[0-9a-f]{32}$")]
PinId = Annotated[str, Meta(pattern=r"^[0-9a-f]{16,64}$")]
Barcode = Annotated[str, Meta(pattern=r"^[0-9A-Za-z-]{1,16}$")]


class _Command(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind"):
    pass


class PlaceNode(Struct, frozen=True, kw_only=True):
    """A node of 街道 › 社区 › 网格 › 微网格, named after the one it lies in."""

    place: Id
    place_kind: Name
    name: Name
    parent: Id | None = None


class ShopKind(Struct, frozen=True, kw_only=True):
    shop_kind: Id
    name: Name
    name_en: Name
    pays_share: bool
    pays_rent: bool


class AwardRulePeriod(Struct, frozen=True, kw_only=True):
    """An award rule from ``first_day`` to ``last_day``, both included."""

    rule_id: Id
    category: Name
    points: Annotated[int, Meta(ge=1)]
    first_day: date
    last_day: date | None = None
    same_fact_as: Id | None = None


class AdoptPool(_Command, frozen=True, tag="adopt_pool"):
    """Open a pool with its policy, tree, shop kinds, award rules and catalogue.

    ``root_key`` and ``issuer_keys`` are public keys; the private ones stay in key files.
    """

    name: Name
    name_en: Name
    street: Name
    unit_name: Name
    unit_name_en: Name
    merchant_word: Name
    fen_per_point: Annotated[int, Meta(ge=1)] | None
    fen_remainder: FenRemainder
    cut_off_hour: Annotated[int, Meta(ge=0, le=6)]
    hold_s: Annotated[int, Meta(ge=1, le=3600)]
    card_cap_points: CodePoints
    card_valid_days: Annotated[int, Meta(ge=1, le=3650)]
    slot_cap_points: CodePoints
    slot_minutes: Annotated[int, Meta(ge=1, le=255)]
    stand_in: StandInLimits
    directory_fresh_h: Annotated[int, Meta(ge=1)]
    allowance_buckets_points: tuple[int, ...]
    root_key: KeyText
    issuer_keys: tuple[IssuerKey, ...]
    places: tuple[PlaceNode, ...]
    shop_kinds: tuple[ShopKind, ...]
    award_rules: tuple[AwardRulePeriod, ...]
    items: tuple[Item, ...]
    limits: Limits | None = None
    cover_warning_bp: CoverBp | None = None
    cover_hard_bp: CoverBp | None = None
    points_expire_after_days: ExpiryDays | None = None


class TakeKeyList(_Command, frozen=True, tag="take_key_list"):
    """The pool's issuer keys anew, as its root key signed them (:mod:`protocol.issuers`)."""

    body: Annotated[bytes, Meta(max_length=65_536)]
    signature: Annotated[bytes, Meta(max_length=64)]


class SetRedemptionTerms(_Command, frozen=True, tag="set_redemption_terms"):
    """How far points may pay from a business date on, today or later; all of it anew.

    What a point is worth stays as it was promised. Sales of earlier days are not looked at again.
    """

    valid_from: date
    fen_remainder: FenRemainder
    bill_share_bp: BasisPoints = BASIS_POINTS_WHOLE
    excluded_categories: Annotated[tuple[Name, ...], Meta(max_length=50)] = ()
    per_sale_points: Some | None = None
    per_day_points: Some | None = None
    per_household_day_points: Some | None = None
    minimum_points: Some | None = None
    card_no_pin_day_points: Some | None = None
    manual_day_points: Annotated[int, Meta(ge=0, le=10**9)] = 0
    reason: Reason = ""


class SetCover(_Command, frozen=True, tag="set_cover"):
    """From when on the office is warned, and nothing awarded, as basis points of what all
    points are worth; None: never.
    """

    warning_bp: CoverBp | None
    hard_bp: CoverBp | None = None


class SetPointsExpiry(_Command, frozen=True, tag="set_points_expiry"):
    """After how many days points go that nobody has used; None: they never do."""

    after_days: ExpiryDays | None


class RegisterPlace(_Command, frozen=True, tag="register_place"):
    place: Id
    place_kind: Name
    name: Name
    parent: Id


class RegisterResident(_Command, frozen=True, tag="register_resident"):
    """``account`` is a random pseudonym of 16 hex digits, never a phone or identity number."""

    account: HexId
    name: Name
    household: Name
    place: Id


class BlockResident(_Command, frozen=True, tag="block_resident"):
    """``evidence`` says where it is kept, ``decided_by`` who decided; so in all sanctions."""

    account: HexId
    reason: Name
    evidence: Reason = ""
    decided_by: Annotated[str, Meta(max_length=80)] = ""


class UnblockResident(_Command, frozen=True, tag="unblock_resident"):
    account: HexId
    reason: Name
    evidence: Reason = ""
    decided_by: Annotated[str, Meta(max_length=80)] = ""


class BanRedemption(_Command, frozen=True, tag="ban_redemption"):
    """No redemption until and including ``until``; earning goes on. None lifts the ban."""

    account: HexId
    until: date | None
    reason: Name
    evidence: Reason = ""
    decided_by: Annotated[str, Meta(max_length=80)] = ""


class ChangeCredit(_Command, frozen=True, tag="change_credit"):
    """Take from or add to a resident's credit score (信用分), which is no points; never below 0.

    ``decision`` is made by whoever decides: the same one counts once.
    """

    account: HexId
    decision: Annotated[str, Meta(pattern=r"^[A-Za-z0-9._:-]{1,64}$")]
    change: Annotated[int, Meta(ge=-1_000, le=1_000)]
    reason: Name
    evidence: Reason = ""
    decided_by: Annotated[str, Meta(max_length=80)] = ""


class IssueCard(_Command, frozen=True, tag="issue_card"):
    """The first card of a line has ``seq`` 1; a replacement the next one, which voids the last."""

    card_id: HexId
    account: HexId
    seq: Seq
    expires_on: date
    cap_points: CodePoints


class RevokeCard(_Command, frozen=True, tag="revoke_card"):
    """The line's newest card is lost or withdrawn; a replacement may follow."""

    card_id: HexId
    reason: Name


class SetCardPin(_Command, frozen=True, kw_only=True, tag="set_card_pin"):
    """The holder chose a PIN for the newest card of a line: what Argon2id made of it, in hex.

    It begins the card's next round, in which no wrong PIN has been typed yet. ``pin_id`` is made by
    whoever sets it: the same one counts once.
    """

    pin_id: PinId
    card_id: HexId
    seq: Seq
    verifier_hex: HalfHex
    proof_key_hex: HalfHex
    reason: Name


class UnlockCardPin(_Command, frozen=True, kw_only=True, tag="unlock_card_pin"):
    """The holder was there and knows the PIN: wrong ones of before count no more."""

    pin_id: PinId
    card_id: HexId
    reason: Name


class RegisterMerchant(_Command, frozen=True, tag="register_merchant"):
    merchant: Id
    name: Name


class OpenShop(_Command, frozen=True, tag="open_shop"):
    shop: Id
    merchant: Id
    shop_kind: Id
    name: Name
    place: Id


class AgreeContract(_Command, frozen=True, tag="agree_contract"):
    """Terms with a merchant; both days are included and contracts never overlap.

    ``share_bp``: basis points of cash takings for the pool. ``reimbursement_bp``: basis
    points of the redeemed points' value in money that the pool pays.
    """

    contract: Id
    merchant: Id
    share_bp: BasisPoints
    reimbursement_bp: BasisPoints
    valid_from: date
    valid_until: date | None = None


class AgreeTerms(_Command, frozen=True, kw_only=True, tag="agree_terms"):
    """A contract with all that it says about money; both days are included.

    ``resumes``: business was interrupted on purpose, so the days since the contract before (or
    until the next one) have none.
    """

    contract: Id
    merchant: Id
    shop: Id | None = None
    valid_from: date
    valid_until: date | None = None
    terms: ContractTerms
    resumes: bool = False


class EndContract(_Command, frozen=True, tag="end_contract"):
    """A contract ends early, with ``last_day``."""

    contract: Id
    last_day: date
    reason: Name


class InviteTerminal(_Command, frozen=True, tag="invite_terminal"):
    """A one-time code was made for a terminal that is to stand in ``shop``.

    ``code_name`` is the code's first half, ``code_hash`` :func:`enrolment.code_hash` of all
    of it. Inviting a terminal that has not enrolled replaces its code.
    """

    terminal: Id
    shop: Id
    code_name: Annotated[str, Meta(pattern=r"^[A-Z]{4}$")]
    code_hash: HashHex
    expires_at: datetime
    tries: Annotated[int, Meta(ge=1, le=20)]


class EnrolTerminal(_Command, frozen=True, tag="enrol_terminal"):
    """A device showed a code for an invited terminal, and brings its public key."""

    terminal: Id
    public_key: KeyText
    code_hash: HashHex


class RegisterSignIn(_Command, frozen=True, tag="register_sign_in"):
    """Somebody may sign in; again with another hash changes the password.

    ``password_hash`` is Argon2id's own text.
    """

    user: Id
    role: SignInRole
    merchant: Id | None
    password_hash: Annotated[str, Meta(pattern=r"^\$argon2id\$", max_length=255)]


class AddItem(_Command, frozen=True, tag="add_item"):
    """Something new on sale, from ``valid_from``; without a day, from the day of the command.

    ``stock``: whole units that are there now, None where nobody counts them. ``both_due``: the
    price in money and the price in points are due together.
    """

    item_id: Id
    name: Name
    name_en: Name
    category: Name
    unit: Unit
    barcode: Barcode | None = None
    price_fen: Price | None = None
    price_points: Price | None = None
    reimbursement_fen: Price = 0
    weighed: bool = False
    quick_key: bool = False
    stock: Annotated[int, Meta(ge=0, le=1_000_000)] | None = None
    fulfilment: Fulfilment = Fulfilment.AT_ONCE
    limit_per_resident: Some | None = None
    limit_per_household: Some | None = None
    limit_period: LimitPeriod = LimitPeriod.DAY
    valid_from: date | None = None
    both_due: bool = False


class ChangePrice(_Command, frozen=True, tag="change_price"):
    """Another price from a business date on, today's or a later one; all of the price anew.

    What is sold at the old price, also by terminals that hear of it late, keeps that price.
    """

    item_id: Id
    valid_from: date
    price_fen: Price | None = None
    price_points: Price | None = None
    reimbursement_fen: Price = 0
    both_due: bool = False


class RetireItem(_Command, frozen=True, tag="retire_item"):
    """Sold no more from ``retired_from`` on, today or later."""

    item_id: Id
    retired_from: date
    reason: Name


DirectoryCommand = (
    RegisterPlace
    | RegisterResident
    | BlockResident
    | UnblockResident
    | BanRedemption
    | ChangeCredit
    | SetRedemptionTerms
    | SetCover
    | SetPointsExpiry
    | IssueCard
    | RevokeCard
    | SetCardPin
    | UnlockCardPin
    | RegisterMerchant
    | OpenShop
    | AgreeContract
    | AgreeTerms
    | EndContract
    | InviteTerminal
    | RegisterSignIn
    | AddItem
    | ChangePrice
    | RetireItem
)
"""What an operator may import; pools are adopted and terminals enrolled in ways of their own."""
