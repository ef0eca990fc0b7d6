"""Pure decisions about tags: what a shop may show, since when, and what would change it."""
