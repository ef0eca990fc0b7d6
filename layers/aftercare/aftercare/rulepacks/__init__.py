"""Dated platform rules as data, one folder a subject, one file a pack, and their loader."""
