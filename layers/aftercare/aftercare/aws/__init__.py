"""The AWS side of the ports: the only place that knows the SDK."""
