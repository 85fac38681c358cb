"""Points in: awards by rule, and what an award clears of an offline overdraft."""

from server.awards.award import (
    Awarded,
    AwardPoints,
    AwardProblem,
    award_of,
    points_awarded,
    register,
)

__all__ = ["AwardPoints", "AwardProblem", "Awarded", "award_of", "points_awarded", "register"]
