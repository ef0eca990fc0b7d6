"""What no code says of a route: one sentence, the shape of its answer, and which refusals are its own.

What every route may answer, or every one that takes a body or a query, need not be listed: see ``refusals_of``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from pydantic import BaseModel

from aftercare.intake.service import AlreadyReplayed, NotReplayable, UnknownEntry
from aftercare.negotiation.merchant import (
    CasesAsked,
    KeepRateAsked,
    NoSuchOrder,
    PolicyChanged,
    Resolution,
    TakeOver,
)
from aftercare.negotiation.model.cases import MoveRefused
from aftercare.negotiation.model.drafts import AnsweredAlready, NoSuchCase, TooLate
from aftercare.negotiation.model.payouts import PayoutMoveRefused
from aftercare.negotiation.model.planning import BudgetsToSave, KillSwitchToSave, PlansToSave
from aftercare.scores import merchant as scores
from aftercare.scores.model.refusals import NoSuchWeek, NothingOnRecord, RegistrationChanged, TooManyExclusions
from aftercare.serving import ReplayAsked, ShelfAsked
from aftercare.shipments.merchant import AlertsAsked, MuteAsked, NothingAsked, SettingsToSave
from aftercare.shipments.model.refusals import AnomalyEnded, NoSuchAnomaly, NoSuchShipment, SettingsChanged
from aftercare.tags.merchant import BanAsked, ProfileAsked
from aftercare.tags.model.refusals import (
    AlreadyBanned,
    AlreadyOptedIn,
    NoSuchTag,
    NotAPromise,
    NotBanned,
    NotOptedIn,
    TagIsBanned,
)
from tools.openapi.answers import quarantine, refunds, shipments, tags
from tools.openapi.answers import scores as score_answers

Refusals = tuple[type[BaseException], ...]


class Route(NamedTuple):
    """``id`` names the operation for whoever generates a client; ``body`` and ``query`` are what its desk reads."""

    id: str
    summary: str
    answer: Any
    body: type[BaseModel] | None = None
    query: type[BaseModel] | None = None
    refusals: Refusals = ()


CASE = "/v1/orders/<order_id>/cases/<negotiation_id>"
ANOMALY = "/v1/orders/<order_id>/anomalies/<anomaly_id>"
OPERATE = "/v1/operate"

REFUNDS: Mapping[tuple[str, str], Route] = {
    ("GET", "/v1/policy"): Route(
        "getPolicy", "All that the shop has decided: plans, budgets, kill switch.", refunds.Policy
    ),
    ("GET", "/v1/plans"): Route("getPlans", "The plans and the version to save them against.", refunds.Plans),
    ("PUT", "/v1/plans"): Route(
        "replacePlans",
        "Replaces all plans, against the version that was read; a plan that is changed takes the new version.",
        refunds.SavedPlans,
        body=PlansToSave,
        refusals=(PolicyChanged,),
    ),
    ("PUT", "/v1/budgets"): Route(
        "replaceBudgets",
        "Replaces the daily budgets, and the hourly payout brake where it is named.",
        refunds.Policy,
        body=BudgetsToSave,
        refusals=(PolicyChanged,),
    ),
    ("PUT", "/v1/kill-switch"): Route(
        "setKillSwitch",
        "Holds every payout, or lets go.",
        refunds.KillSwitch,
        body=KillSwitchToSave,
        refusals=(PolicyChanged,),
    ),
    ("GET", "/v1/cases"): Route("listCases", "Cases by time and state, newest first.", refunds.Cases, query=CasesAsked),
    ("GET", CASE): Route(
        "getCase", "A case with its sealed history and payouts.", refunds.Case, refusals=(NoSuchCase,)
    ),
    ("GET", f"{CASE}/evidence"): Route(
        "getEvidence", "A case as a document for a dispute.", refunds.CaseEvidence, refusals=(NoSuchCase,)
    ),
    ("POST", f"{CASE}/approve"): Route(
        "approveOffer",
        "Presents an offer that waits for its merchant; one that was approved stays as it is.",
        refunds.Case,
        refusals=(NoSuchCase, AnsweredAlready, TooLate),
    ),
    ("POST", f"{CASE}/take-over"): Route(
        "takeOver",
        "Goes on with a case by hand, unless the buyer has accepted; one that has ended stays as it is.",
        refunds.Case,
        body=TakeOver,
        refusals=(NoSuchCase, MoveRefused),
    ),
    ("POST", "/v1/payouts/resolve"): Route(
        "resolvePayout",
        "Ends a payout that needs a person: it was paid, or it was not.",
        refunds.ResolvedPayout,
        body=Resolution,
        refusals=(NoSuchCase, PayoutMoveRefused),
    ),
    ("GET", "/v1/keep-rate"): Route(
        "getKeepRate",
        "How many refund requests the offers kept, beside those held out for comparison.",
        refunds.KeepRate,
        query=KeepRateAsked,
    ),
    ("POST", "/v1/orders/<order_id>/buyer/erase"): Route(
        "eraseBuyer",
        "Deletes all that the buyer of an order has said or is called; the books know the pseudonym alone.",
        refunds.Erased,
        refusals=(NoSuchOrder,),
    ),
}

SHIPMENTS: Mapping[tuple[str, str], Route] = {
    ("GET", "/v1/shipments/alerts"): Route(
        "listAlerts",
        "Orders with something wrong that nobody muted, the most money at risk first.",
        shipments.Alerts,
        query=AlertsAsked,
    ),
    ("GET", "/v1/shipments/exposure"): Route(
        "getExposure",
        "The money at risk by currency and by kind; it takes no query.",
        shipments.Exposure,
        query=NothingAsked,
    ),
    ("GET", "/v1/shipments/settings"): Route(
        "getShipmentSettings",
        "By which rules shipments are watched, and what buyers are told of delays.",
        shipments.SavedSettings,
    ),
    ("PUT", "/v1/shipments/settings"): Route(
        "replaceShipmentSettings",
        "Replaces the settings against the version that was read; they hold for orders paid from now on.",
        shipments.SavedSettings,
        body=SettingsToSave,
        refusals=(SettingsChanged,),
    ),
    ("GET", "/v1/orders/<order_id>/shipment"): Route(
        "getShipment",
        "What was promised and is due, parcels with milestones and scans, all that was wrong and how it ended.",
        shipments.Shipment,
        refusals=(NoSuchShipment,),
    ),
    ("POST", f"{ANOMALY}/mute"): Route(
        "muteAnomaly",
        "Takes an anomaly out of the alerts until a time, 90 days from now at most, or for good.",
        shipments.ChangedAnomaly,
        body=MuteAsked,
        refusals=(NoSuchAnomaly, AnomalyEnded),
    ),
    ("POST", f"{ANOMALY}/unmute"): Route(
        "unmuteAnomaly",
        "Brings an anomaly back among the alerts; one that is not muted stays as it is.",
        shipments.ChangedAnomaly,
        refusals=(NoSuchAnomaly, AnomalyEnded),
    ),
}

SCORES: Mapping[tuple[str, str], Route] = {
    ("GET", "/v1/scores/weeks"): Route(
        "listWeeks", "The scores of the last half year, the latest week first.", score_answers.Weeks
    ),
    ("GET", "/v1/scores/weeks/<week>"): Route(
        "getWeek",
        "One week's card, and what changed since the one before.",
        score_answers.ScoreCard,
        refusals=(NoSuchWeek,),
    ),
    ("GET", "/v1/scores/provisional"): Route(
        "getProvisionalCard",
        "The card if the week had ended with the last midnight.",
        score_answers.ScoreCard,
        refusals=(NothingOnRecord,),
    ),
    ("GET", "/v1/scores/items"): Route(
        "listItems", "The problem index of every item sold in the last 30 days, the worst first.", score_answers.Items
    ),
    ("GET", "/v1/scores/cases"): Route(
        "listMetricCases",
        "What is behind a metric on a day; the lists are kept for 180 days.",
        score_answers.MetricCases,
        query=scores.CasesAsked,
    ),
    ("GET", "/v1/scores/exclusions"): Route(
        "listExclusions",
        "Who kept what out of the score and why, and who brought it back; the latest first.",
        score_answers.Exclusions,
        query=scores.NotesAsked,
    ),
    ("GET", "/v1/scores/registration"): Route(
        "getRegistration",
        "How the shop's days are counted, and whom it is measured against.",
        score_answers.Registration,
        refusals=(NothingOnRecord,),
    ),
    ("POST", f"{OPERATE}/scores/exclude"): Route(
        "exclude",
        "Keeps an order or a chat session out of metrics; what was published of it gets a new revision.",
        score_answers.DecidedExclusion,
        body=scores.ExclusionAsked,
        refusals=(NothingOnRecord, TooManyExclusions),
    ),
    ("POST", f"{OPERATE}/scores/bring-back"): Route(
        "bringBack",
        "Counts an order or a chat session again.",
        score_answers.DecidedExclusion,
        body=scores.ExclusionAsked,
        refusals=(NothingOnRecord,),
    ),
    ("POST", f"{OPERATE}/scores/register"): Route(
        "register",
        "Sets zone, pack, category and class of the shop, against the version that was read.",
        score_answers.Registration,
        body=scores.RegistrationAsked,
        refusals=(RegistrationChanged,),
    ),
}

TAGS: Mapping[tuple[str, str], Route] = {
    ("GET", "/v1/tags"): Route(
        "listTags", "Every tag of the shop's rules, its evidence and how far it is from changing.", tags.Tags
    ),
    ("GET", "/v1/tags/<tag>"): Route(
        "getTag", "One tag with its history, the next days and the simulator.", tags.WholeTag, refusals=(NoSuchTag,)
    ),
    ("PUT", "/v1/tags/profile"): Route(
        "setProfile", "What the shop is called where its tags are shown.", tags.Tags, body=ProfileAsked
    ),
    ("POST", "/v1/tags/<tag>/opt-in"): Route(
        "optIn",
        "Takes a promise on, from the close of today.",
        tags.Tags,
        refusals=(NoSuchTag, NotAPromise, TagIsBanned, AlreadyOptedIn),
    ),
    ("POST", "/v1/tags/<tag>/leave"): Route(
        "leave",
        "Leaves a promise at once; orders that were promised it keep it.",
        tags.Tags,
        refusals=(NoSuchTag, NotOptedIn),
    ),
    ("POST", f"{OPERATE}/tags/<tag>/ban"): Route(
        "ban",
        "Takes a tag away until the ban is lifted.",
        tags.Tags,
        body=BanAsked,
        refusals=(NoSuchTag, AlreadyBanned),
    ),
    ("POST", f"{OPERATE}/tags/<tag>/lift"): Route(
        "lift", "Ends the ban; the tag has to be earned anew.", tags.Tags, refusals=(NoSuchTag, NotBanned)
    ),
}

QUARANTINE: Mapping[tuple[str, str], Route] = {
    ("GET", "/v1/quarantine"): Route(
        "listQuarantine", "What was set aside on one shelf, newest first.", quarantine.Entries, query=ShelfAsked
    ),
    ("POST", "/v1/quarantine/replay"): Route(
        "replay",
        "Sends what was set aside once more through the door, once a click.",
        quarantine.Replayed,
        body=ReplayAsked,
        refusals=(UnknownEntry, NotReplayable, AlreadyReplayed),
    ),
}

ROOMS: Mapping[str, Mapping[tuple[str, str], Route]] = {
    "Refunds": REFUNDS,
    "Shipments": SHIPMENTS,
    "Scores": SCORES,
    "Service tags": TAGS,
    "Quarantine": QUARANTINE,
}

IDS: Mapping[str, tuple[str, dict[str, Any]]] = {
    "order_id": ("The marketplace's id of the order.", {"minLength": 1, "maxLength": 256}),
    "negotiation_id": ("A case, as lists of cases name it.", {}),
    "anomaly_id": ("An anomaly, as alerts name it.", {}),
    "week": ("An ISO week in the shop's zone.", {"pattern": "^[0-9]{4}-W[0-9]{2}$"}),
    "tag": ("A tag of the shop's rules.", {}),
}
"""What stands in a path: what it is, and its form beside that it is text."""
