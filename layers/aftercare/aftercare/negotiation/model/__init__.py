"""Pure decisions of negotiation: no clock, no storage, no randomness. Everything they need comes in as arguments."""
