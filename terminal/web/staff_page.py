"""The page of people: change who stands at the till, and give or take PINs."""

from collections.abc import Callable
from typing import Final

from flask import Response
from msgspec import Struct

from terminal.domain.staff import Role
from terminal.shifts.staff import WORKER_PREFIX, Staff
from terminal.web.bodies import NoBody, ShortText, read_body
from terminal.web.language import later, say
from terminal.web.more import MorePages

HERE: Final = "/more/staff"
ROLES: Final[dict[Role, str]] = {
    Role.OWNER: later("店主"),
    Role.CASHIER: later("收银员"),
    Role.TECHNICIAN: later("技术员"),
    Role.COMMUNITY_WORKER: later("社区工作人员"),
}


class SignInBody(Struct, frozen=True, forbid_unknown_fields=True):
    name: ShortText
    pin: ShortText


class AddBody(Struct, frozen=True, forbid_unknown_fields=True):
    """``owner_pin`` is empty where the first owner is made."""

    name: ShortText
    role: Role
    pin: ShortText
    owner_pin: ShortText = ""


class RemoveBody(Struct, frozen=True, forbid_unknown_fields=True):
    name: ShortText
    owner_pin: ShortText


class StaffPage:
    """Its addresses."""

    def __init__(self, staff: Staff, pages: MorePages) -> None:
        self._staff = staff
        self._pages = pages

    def rules(self) -> tuple[dict[str, Callable[[], str]], dict[str, Callable[[], Response]]]:
        """Addresses that are looked at, and those that change something."""
        return {HERE: self.staff}, {
            f"{HERE}/in": self.sign_in,
            f"{HERE}/out": self.sign_out,
            f"{HERE}/add": self.add_person,
            f"{HERE}/remove": self.remove_person,
        }

    def staff(self) -> str:
        people = self._staff.people()
        has_owner = any(each.role is Role.OWNER for each in people)
        roles = ROLES if has_owner else {Role.OWNER: ROLES[Role.OWNER]}
        workers = [
            (f"{WORKER_PREFIX}{x.worker}", x.name, say(ROLES[Role.COMMUNITY_WORKER]))
            for x in self._staff.workers()
        ]
        return self._pages.show(
            "staff",
            at_till=self._staff.at_till(),
            people=[(each.name, say(ROLES[each.role])) for each in people],
            has_owner=has_owner,
            may_sign_in=[
                *((x.name, x.name, say(ROLES[x.role])) for x in people),
                *workers,
            ],
            # The pool makes its workers; a shop makes none.
            roles=[
                (role.value, say(name))
                for role, name in roles.items()
                if role is not Role.COMMUNITY_WORKER
            ],
        )

    def sign_in(self) -> Response:
        body = read_body(SignInBody)
        return self._pages.said(self._staff.sign_in(body.name, body.pin), "/more")

    def sign_out(self) -> Response:
        read_body(NoBody)
        return self._pages.said(self._staff.sign_out(), HERE)

    def add_person(self) -> Response:
        body = read_body(AddBody)
        said = self._staff.add(body.name, body.role, body.pin, body.owner_pin or None)
        return self._pages.said(said, HERE)

    def remove_person(self) -> Response:
        body = read_body(RemoveBody)
        return self._pages.said(self._staff.remove(body.name, body.owner_pin or None), HERE)
