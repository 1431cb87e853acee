"""What weights are judged by: one file per family of scores; each registers itself."""

from tf_lottery.pruning.score import Evidence, Method, Score, find_method, register_score
from tf_lottery.pruning.scores.magnitudes import magnitude

__all__ = ["Evidence", "Method", "Score", "find_method", "magnitude", "register_score"]
