"""Marketplaces that stand in for the real ones: they keep their own books, and can be told to fail."""
