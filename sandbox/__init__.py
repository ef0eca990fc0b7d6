"""The offline cloud: the real template and functions on one machine, with moto, and the marketplaces they talk to."""
