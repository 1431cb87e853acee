"""The score by synaptic flow, which needs no data."""

import numpy as np

from tf_lottery.masking.masks import Mask, Weights
from tf_lottery.pruning.score import Evidence, Scores, register_score


# In as many rounds as the paper's, with which no layer collapses.
@register_score(rounds=100, ranks_all_together=True)
def synflow(weights: Weights, mask: Mask, evidence: Evidence) -> Scores:
    """Synaptic flow |w| dR/d|w| (arXiv 2006.05467, section 6), without data."""
    flow = evidence.synaptic_flow(weights, mask)
    return {name: np.abs(weights[name]) * flow[name] for name in mask}
