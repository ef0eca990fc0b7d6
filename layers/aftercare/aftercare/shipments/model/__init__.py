"""Pure decisions about shipments: what is known, what is promised, what is wrong, and what to say of it."""
