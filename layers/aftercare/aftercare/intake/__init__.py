"""The way in: genuine deliveries, what could not be understood, and what buyers may ask us to forget."""
