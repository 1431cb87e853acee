"""Carries out each kind of command: here, side by side, or by a cluster's jobs."""
