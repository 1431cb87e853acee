"""Rules of training that have changed: what was begun by another one is not silently continued."""

from collections.abc import Mapping
from typing import Any

# Raised with every change of what the same flags train. Folders from before there was a number
# have none.
RULES = 2

# Those whose update depends on the gradients and the slots alone. Nobody else's is known.
_WITHOUT_STEP_COUNT = frozenset({"sgd", "rmsprop", "adagrad", "adadelta", "ftrl", "lion"})


def outdated_rules(identity: Mapping[str, Any], details: Mapping[str, Any]) -> list[str]:
    """The rules by which a run or a branch was trained and would no longer be.

    Args:
      identity: its flag values.
      details: what else its config.json holds.

    Returns:
      Sentences; none if the same flags train the same today.
    """
    starts_late = details.get("rewind_step", 0) > 0 or "fine_tune" in (
        identity.get("retraining"),
        identity.get("branch"),
    )
    if starts_late and not identity.get("rewind_optimizer"):
        return outdated_restart(str(identity.get("optimizer")), details.get("rules", 1))
    return []


def outdated_restart(optimizer: str, rules: int) -> list[str]:
    """How an optimizer started afresh at a step above 0, and no longer does.

    Args:
      optimizer: its name.
      rules: number of the rules by which it did.

    Returns:
      A sentence; none if its update does not depend on its step count.
    """
    if rules >= 2 or optimizer.lower() in _WITHOUT_STEP_COUNT:
        return []
    return [
        f"the step count of {optimizer} went on from the rewind step, which made its first steps "
        "after rewinding several times too long; now it begins at 0, as its slots do"
    ]
