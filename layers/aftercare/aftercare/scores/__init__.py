"""Scores: what facts add up to, and what a shop's service is worth."""
