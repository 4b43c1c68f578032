"""What clubs tell whoever reviews a payout, and who may see a club's money and say where it is paid."""

from django.utils.formats import date_format
from django.utils.translation import gettext as _

from accounts.models import User
from clubs import officers
from clubs.models import Club, Membership, Officer
from payments.evidence import Fact, gives_evidence
from payments.models import Payee
from payments.permissions import decides, names_managers


@gives_evidence
def club_facts(*, payee: Payee) -> list[Fact]:
    club = Club.objects.filter(payee=payee).first()
    if club is None:
        return []
    staff = Officer.objects.filter(club=club)
    owners = staff.filter(role=Officer.Role.OWNER).select_related("user").order_by("since")
    members = Membership.objects.filter(club=club, status=Membership.Status.ACTIVE).count()
    return [
        Fact(_("Club"), club.name),
        Fact(_("Founded"), date_format(club.created_at, "j F Y")),
        Fact(_("Owners"), ", ".join(f"@{owner.user.handle}" for owner in owners) or _("none")),
        Fact(_("Officers"), str(staff.count())),
        Fact(_("Members"), str(members)),
    ]


@decides
def may_see_club_money(user: User, payee: Payee) -> bool:
    club = Club.objects.filter(payee=payee).first()
    return club is not None and officers.may_see_money(user, club)


@names_managers
def who_manages_the_club(payee: Payee) -> list[User]:
    theirs = Officer.objects.filter(club__payee=payee, role__in=officers.MANAGING, user__is_active=True)
    return [officer.user for officer in theirs.select_related("user").order_by("since", "pk")]
