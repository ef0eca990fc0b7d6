"""Parcels watched: from orders, uploads and scans to anomalies that a shop can act on."""
