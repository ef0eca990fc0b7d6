"""What every part of the state that negotiation keeps has in common."""

from __future__ import annotations

from pydantic import AwareDatetime, BaseModel, ConfigDict


class Part(BaseModel):
    # built with the first state that is read: one schema for the whole of it in the place of one a class
    model_config = ConfigDict(frozen=True, defer_build=True)


Moment = AwareDatetime
"""A time in our own state: UTC before it was written, so it is not converted again, as one from outside must be."""
