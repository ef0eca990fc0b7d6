"""After-sales service for marketplace shops: refund negotiation, parcels, scores and service tags."""
