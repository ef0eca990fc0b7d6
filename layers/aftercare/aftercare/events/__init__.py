"""Every event of the catalogue. Import the family you need; ``catalogue`` reads any event from its JSON."""
