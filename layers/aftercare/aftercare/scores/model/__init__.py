"""Pure decisions about scores: what was counted, and what it makes."""
