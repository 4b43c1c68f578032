from clubs.models.club import Club, Invitation, Officer
from clubs.models.membership import Membership, Plan

__all__ = ["Club", "Invitation", "Membership", "Officer", "Plan"]
