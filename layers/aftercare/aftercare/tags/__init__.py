"""Service tags: earned, published where buyers look, and kept honest."""
