"""Analyses of run folders, each an `--experiment` of its own."""
