"""What a merchant does about one shop's shipments: looks at what is wrong, mutes it, chooses how they are watched.

The shop is always the caller's own; what belongs to another one does not exist here. Answers are plain JSON.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import partial
from typing import Annotated, Any, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, StrictInt, StringConstraints

from aftercare.events.vocabulary import AnomalyKind
from aftercare.kernel.fields import FieldError, InvalidFields, read
from aftercare.kernel.ports import Clock
from aftercare.kernel.shops import PLAIN, ShopDefaults, marketplace_of
from aftercare.kernel.table import PARTITION, SORT, Scalar, Table, WriteRefused
from aftercare.kernel.times import UtcTime
from aftercare.shipments import keys, store
from aftercare.shipments.model import muting
from aftercare.shipments.model.exposure import exposure
from aftercare.shipments.model.lifecycle import Wording
from aftercare.shipments.model.overview import Look
from aftercare.shipments.model.refusals import NoSuchAnomaly, NoSuchShipment, SettingsChanged
from aftercare.shipments.model.settings import ShopSettings
from aftercare.shipments.model.shipment import Mute, Shipment
from aftercare.shipments.service import Edit, ShipmentWatch, rules_of

LONGEST_ID = 256
PAGE = 100
PAGES_A_REPORT = 20
WORDS_SHOWN = 200
"""A trace with more different texts than that shows some of its scans without them."""
LONGEST_SNOOZE = timedelta(days=90)
RANK = re.compile(rf"[0-9]{{{store.RANK_DIGITS}}}#[0-9]{{{store.RANK_DIGITS}}}")


class _Asked(BaseModel):
    # a cold function reads one of these
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class AlertsAsked(_Asked):
    cursor: str | None = None
    limit: Annotated[int, Field(ge=1, le=PAGE)] = 50


class NothingAsked(_Asked):
    """A report without choices."""


class MuteAsked(_Asked):
    """Without ``until`` it is for good."""

    reason: Annotated[str, StringConstraints(min_length=1, max_length=300, strip_whitespace=True)]
    until: UtcTime | None = None


class SettingsToSave(_Asked):
    """``version`` is the version of the settings that the merchant saw."""

    settings: ShopSettings
    version: Annotated[StrictInt, Field(ge=0)]


class _Place(NamedTuple):
    """Where an order stands among a shop's alerts, as the index has it."""

    order_id: str
    rank: str

    def cursor(self) -> str:
        return base64.urlsafe_b64encode(json.dumps(self).encode()).decode()

    @classmethod
    def of(cls, cursor: str) -> Self:
        """Raises ``InvalidFields`` for one that was not given out for this list."""
        try:
            order_id, rank = json.loads(base64.b64decode(cursor.encode(), altchars=b"-_", validate=True))
            # the table refuses an id that is no key
            if RANK.fullmatch(rank) and 0 < len(order_id.encode()) <= 4 * LONGEST_ID:
                return cls(order_id, rank)
        except (ValueError, TypeError, AttributeError, RecursionError):
            pass
        raise InvalidFields([FieldError("cursor", "is not one that was given out for this list")])

    def in_index(self, shop: str) -> Mapping[str, Scalar]:
        key, index = keys.shipment_key(shop, self.order_id), store.ALERTS_INDEX
        return {PARTITION: key.partition, SORT: key.sort, index.partition: shop, index.sort: self.rank}


class ShipmentDesk:
    """``watch`` makes every change, so that what is muted leaves the alerts with the same write."""

    def __init__(
        self,
        table: Table,
        clock: Clock,
        watch: ShipmentWatch,
        wording: Wording,
        defaults: ShopDefaults = PLAIN,
        takes_messages: Callable[[str], bool] = lambda _: True,
    ) -> None:
        """``takes_messages``: whether a shop's marketplace passes messages on to buyers."""
        self._takes_messages = takes_messages
        self._table = table
        self._defaults = defaults
        self._clock = clock
        self._watch = watch
        self._wording = wording

    # ------------------------------------------------------------ what is wrong

    def alerts(self, shop: str, query: Mapping[str, str]) -> dict[str, Any]:
        """A page of orders with something wrong that is not muted, the most money at risk first.

        A page may hold fewer than ``limit``, even none: there may be more as long as there is a cursor. An order whose
        money at risk changes between two pages may be on both or on neither. Raises ``InvalidFields``.
        """
        asked = read(AlertsAsked, query)
        after = _Place.of(asked.cursor) if asked.cursor else None
        found, following = self._page(shop, asked.limit, after)
        return {
            "alerts": [self._look(shipment).alert() for shipment in found],
            "cursor": following.cursor() if following else None,
        }

    def exposure(self, shop: str, query: Mapping[str, str]) -> dict[str, Any]:
        """The money at risk in the shop's alerts: see ``exposure.exposure``. Raises ``InvalidFields``.

        Looks at a bounded number of orders, the most money at risk first; ``cut`` says that there may be more.

        Whether a shop's anomalies of a day are a violation is not told here: that needs all orders shipped on that day
        and what was wrong and is over, which alerts do not hold. It is for whoever measures days.
        """
        read(NothingAsked, query)
        now = self._clock.now()
        found, following = self._page(shop, PAGE, None)
        for _ in range(PAGES_A_REPORT - 1):
            if following is None:
                break
            page, following = self._page(shop, PAGE, following)
            found += page
        figures = exposure(((shipment, rules_of(shipment, now)) for shipment in found), now)
        return {**figures, "cut": following is not None}

    def shipment(self, shop: str, order_id: str) -> dict[str, Any]:
        """All that is known of an order's shipment. Raises ``NoSuchShipment``.

        The carrier's own words stand beside the scans that need them, as far as they were kept.
        """
        item = self._table.get(keys.shipment_key(shop, _possible(order_id)))
        if item is None:
            raise NoSuchShipment("no such order")
        words = store.read_words(shop, order_id, self._table.query(store.words(shop, order_id, WORDS_SHOWN)))
        return self._look(store.read_shipment(shop, order_id, item).shipment).whole(words)

    def _page(self, shop: str, limit: int, after: _Place | None) -> tuple[list[Shipment], _Place | None]:
        """The orders that alert, and the place of the last one that was looked at where there may be more."""
        page = self._table.query(store.alerts(shop, limit, after.in_index(shop) if after else None))
        items = self._table.get_many(page.keys) if page.keys else {}
        found = [
            store.read_shipment(*keys.order_of(key), items[key]).shipment
            for key in page.keys
            # the index follows its table a little later: whether an order alerts, its item says
            if store.ALERTS_INDEX.sort in items.get(key, ())
        ]
        if page.next is None:
            return found, None
        _, last = keys.order_of(page.keys[-1])
        return found, _Place(last, str(page.items[-1][store.ALERTS_INDEX.sort]))

    def _look(self, shipment: Shipment) -> Look:
        now = self._clock.now()
        return Look(shipment, rules_of(shipment, now), self._wording, now)

    # ------------------------------------------------------------ muting

    def mute(self, shop: str, author: str, order_id: str, anomaly_id: str, body: Any) -> dict[str, Any]:
        """Takes an anomaly out of the alerts until a time, or for good; the same again changes nothing.

        Raises ``InvalidFields``, ``NoSuchAnomaly``, ``AnomalyEnded`` or ``Contended``.
        """
        wanted, now = read(MuteAsked, body), self._clock.now()
        if wanted.until is not None and not now < wanted.until <= now + LONGEST_SNOOZE:
            message = f"must be in the future, {LONGEST_SNOOZE.days} days from now at most"
            raise InvalidFields([FieldError("until", message)])
        mute = Mute(author, wanted.reason, now, wanted.until)
        return self._edit(shop, order_id, anomaly_id, partial(muting.muted, anomaly_id=anomaly_id, mute=mute))

    def unmute(self, shop: str, author: str, order_id: str, anomaly_id: str) -> dict[str, Any]:
        """Brings an anomaly back among the alerts; one that is not muted stays as it is.

        Raises ``NoSuchAnomaly``, ``AnomalyEnded`` or ``Contended``.
        """
        now = self._clock.now()
        unmute = partial(muting.unmuted, anomaly_id=anomaly_id, author=author, now=now)
        return self._edit(shop, order_id, anomaly_id, unmute)

    def _edit(self, shop: str, order_id: str, anomaly_id: str, edit: Edit) -> dict[str, Any]:
        if not 0 < len(order_id) <= LONGEST_ID:
            raise NoSuchAnomaly("no such anomaly")
        shipment = self._watch.edit(shop, order_id, edit)
        anomaly = self._look(shipment).anomaly(anomaly_id, shipment.said[anomaly_id])
        return {"order_id": order_id, "anomaly": anomaly}

    # ------------------------------------------------------------ settings

    def settings(self, shop: str) -> dict[str, Any]:
        was = store.read_settings(shop, self._table.get(keys.settings_key(shop)), self._defaults)
        return {"version": was.version, "settings": was.settings.model_dump(mode="json", exclude_none=True)}

    def replace_settings(self, shop: str, author: str, body: Any) -> dict[str, Any]:
        """The rules chosen hold for orders paid from now on. Raises ``InvalidFields`` or ``SettingsChanged``."""
        wanted = read(SettingsToSave, body)
        messages = wanted.settings.delay_messages
        errors = [
            FieldError(f"settings.delay_messages.kinds.{index}", "is not a kind of anomaly")
            for index, kind in enumerate(messages.kinds if messages else ())
            # a closed list takes every text, to stand what is written by a later version of this program
            if kind is AnomalyKind.UNKNOWN
        ]
        if messages is not None and not self._takes_messages(shop):
            errors.append(FieldError("settings.delay_messages", "the shop's marketplace takes no messages from us"))
        if errors:
            raise InvalidFields(errors)
        was = store.read_settings(shop, self._table.get(keys.settings_key(shop)), self._defaults)
        if wanted.version != was.version:
            raise SettingsChanged(f"the settings have version {was.version} by now")
        chosen = wanted.settings.model_fields_set
        usual = {"pack": self._defaults.packs.get(marketplace_of(shop)), "zone": self._defaults.zone}
        unchosen = {name: value for name, value in usual.items() if name not in chosen}
        stamp = {"changed_at": self._clock.now(), "changed_by": author}
        stamped = wanted.settings.model_copy(update={**unchosen, **stamp})
        put = store.write_settings(shop, was, stamped)
        try:
            self._table.write(put)
        except WriteRefused as refused:
            # a refusal by our own write, whose answer the SDK had lost, is none
            if refused.existing != put.attributes:
                raise SettingsChanged("somebody else saved the settings meanwhile") from refused
        return {"version": was.version + 1, "settings": stamped.model_dump(mode="json", exclude_none=True)}


def _possible(order_id: str) -> str:
    """Raises ``NoSuchShipment`` for what no order's id can be, nor a key of the table."""
    if not 0 < len(order_id) <= LONGEST_ID:
        raise NoSuchShipment("no such order")
    return order_id
