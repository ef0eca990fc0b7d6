"""The marketplaces: one folder each, the same inside: verify, translate, act."""
