"""The Shopify door. It listens to a shop's webhooks; it asks nothing of Shopify yet."""
