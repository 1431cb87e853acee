"""The flags of runs that other versions made: those that there were not yet had their defaults."""

import json
from collections.abc import Mapping
from typing import Any

from tf_lottery.config.branches import branch_options
from tf_lottery.store.former_flags import flags_in_effect


def known_flags(flags: Mapping[str, Any]) -> dict[str, Any]:
    """Flag values of a run or a branch as JSON has them, to be compared with those of others.

    Args:
      flags: of a run or a branch, as recorded; none of one whose config.json cannot be read.

    Returns:
      They, and those that were made later; nothing if there are none.
    """
    if not flags:
        return {}
    known = dict(flags_in_effect(flags))
    if flags.get("branch") is not None:
        known = {name: option.default for name, option in branch_options().items()} | known
    return json.loads(json.dumps(known))
