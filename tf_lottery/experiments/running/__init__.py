"""Experiments and branches as they train: from all that is checked first to the last table."""
