"""Refund negotiation: from a buyer's request to a kept promise."""
