"""Networks by name: one file per family."""
