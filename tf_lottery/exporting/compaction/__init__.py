"""Networks made physically smaller: what pruning left without effect is removed."""

from tf_lottery.exporting.compaction.compacted_model import CompactedLayer, CompactedModel
from tf_lottery.exporting.compaction.compacting import compact

__all__ = ["CompactedLayer", "CompactedModel", "compact"]
