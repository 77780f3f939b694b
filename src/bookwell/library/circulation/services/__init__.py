"""Circulation's use cases: one function a verb, each inside the transaction that the runner opened."""

from bookwell.library.circulation.services.closed_days import move_deadline
from bookwell.library.circulation.services.copies import add_copy, change_copy, remove_copy
from bookwell.library.circulation.services.deadlines import remind_reservation, resume_queue
from bookwell.library.circulation.services.ending import cancel_reservation, change_reservation, expire_reservation
from bookwell.library.circulation.services.lending import check_out, issue, renew
from bookwell.library.circulation.services.machine_clients import ClientOrder, place_for_client
from bookwell.library.circulation.services.partner_asking import ask_partners_again
from bookwell.library.circulation.services.partner_holds import PartnerChoice, place_at_partner, record_hold
from bookwell.library.circulation.services.partner_talks import (
    HoldUnsettled,
    begin_cancel,
    begin_hold,
    begin_look,
    end_asking,
    note_missing_partner,
    record_cancelled,
)
from bookwell.library.circulation.services.placing import place_reservation
from bookwell.library.circulation.services.policies import add_policy, change_policy, remove_policy
from bookwell.library.circulation.services.readers import add_block, close_reader, lift_block
from bookwell.library.circulation.services.returning import Action, Instruction, check_in, return_book
from bookwell.library.circulation.services.shelving import receive, shelve, ship

__all__ = [
    "Action",
    "ClientOrder",
    "HoldUnsettled",
    "Instruction",
    "PartnerChoice",
    "add_block",
    "add_copy",
    "add_policy",
    "ask_partners_again",
    "begin_cancel",
    "begin_hold",
    "begin_look",
    "cancel_reservation",
    "change_copy",
    "change_policy",
    "change_reservation",
    "check_in",
    "check_out",
    "close_reader",
    "end_asking",
    "expire_reservation",
    "issue",
    "lift_block",
    "move_deadline",
    "note_missing_partner",
    "place_at_partner",
    "place_for_client",
    "place_reservation",
    "receive",
    "record_cancelled",
    "record_hold",
    "remind_reservation",
    "remove_copy",
    "remove_policy",
    "renew",
    "resume_queue",
    "return_book",
    "shelve",
    "ship",
]
