"""Networks made physically smaller: what pruning left without effect is removed."""

from tf_lottery.exporting.compaction.compacting import compact
from tf_lottery.exporting.compaction.outcome import CompactedLayer, CompactedModel

__all__ = ["CompactedLayer", "CompactedModel", "compact"]
