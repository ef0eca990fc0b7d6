"""The standard door, for one's own marketplace: Standard Webhooks in, signed actions out."""
