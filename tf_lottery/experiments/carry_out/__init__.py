"""Carries out the commands that may train: here, side by side, or by a cluster's jobs."""
