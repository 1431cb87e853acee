"""Arithmetic of pruning on arrays: scores, ranking, structures, plans, random masks."""
