"""Points in: awards by rule, claims and reviews, claw-backs, opening balances.

Whatever a resident owes is cleared out of what comes in: an offline overdraft first, then
awards that were clawed back after they were spent.
"""

from server.awards.award import award_of, award_points, points_awarded
from server.awards.booking import owed_points
from server.awards.claims import claim_award, review_award, waiting_claims
from server.awards.clawback import claw_back_award
from server.awards.commands import (
    AmendAwardRule,
    ApproveOpeningCorrection,
    AwardCommand,
    AwarderRole,
    AwardPoints,
    ClaimAward,
    ClawBackAward,
    ClosePartner,
    OpenBalance,
    ProposeOpeningCorrection,
    PublishTask,
    RegisterAwarder,
    RegisterPartner,
    RetireAwarder,
    ReviewAward,
    Split,
)
from server.awards.expiry import ExpirePoints, expire_points
from server.awards.opening import open_balance, points_opened
from server.awards.opening_corrections import (
    approve_opening_correction,
    points_corrected,
    propose_opening_correction,
)
from server.awards.people import (
    awarder_of,
    close_partner,
    partner_of,
    register_awarder,
    register_partner,
    retire_awarder,
)
from server.awards.rules import amend_award_rule, rule_on, rules_on
from server.awards.tasks import publish_task
from server.awards.values import (
    Awarded,
    AwardProblem,
    Claimed,
    ClawedBack,
    Noted,
    Opened,
    Reviewed,
    RuleTerms,
)
from server.facts import FactDesk

__all__ = [
    "AmendAwardRule",
    "ApproveOpeningCorrection",
    "AwardCommand",
    "AwardPoints",
    "AwardProblem",
    "Awarded",
    "AwarderRole",
    "ClaimAward",
    "Claimed",
    "ClawBackAward",
    "ClawedBack",
    "ClosePartner",
    "ExpirePoints",
    "Noted",
    "OpenBalance",
    "Opened",
    "ProposeOpeningCorrection",
    "PublishTask",
    "RegisterAwarder",
    "RegisterPartner",
    "RetireAwarder",
    "ReviewAward",
    "Reviewed",
    "RuleTerms",
    "Split",
    "award_of",
    "awarder_of",
    "owed_points",
    "partner_of",
    "points_awarded",
    "points_corrected",
    "points_opened",
    "register",
    "rule_on",
    "rules_on",
    "waiting_claims",
]


def register(desk: FactDesk) -> None:
    """Makes the desk apply every command about awards."""
    desk.register("award_points", AwardPoints, award_points)
    desk.register("amend_award_rule", AmendAwardRule, amend_award_rule)
    desk.register("register_awarder", RegisterAwarder, register_awarder)
    desk.register("retire_awarder", RetireAwarder, retire_awarder)
    desk.register("claim_award", ClaimAward, claim_award)
    desk.register("review_award", ReviewAward, review_award)
    desk.register("claw_back_award", ClawBackAward, claw_back_award)
    desk.register("open_balance", OpenBalance, open_balance)
    desk.register(
        "propose_opening_correction", ProposeOpeningCorrection, propose_opening_correction
    )
    desk.register(
        "approve_opening_correction", ApproveOpeningCorrection, approve_opening_correction
    )
    desk.register("publish_task", PublishTask, publish_task)
    desk.register("expire_points", ExpirePoints, expire_points)
    desk.register("register_partner", RegisterPartner, register_partner)
    desk.register("close_partner", ClosePartner, close_partner)
