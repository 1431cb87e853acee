"""Rules of training that have changed: what was begun by another one is not silently continued."""

from tf_lottery.store.identity import Identity
from tf_lottery.store.run_details import RunDetails
from tf_lottery.store.run_folder import RunFolder

# Raised with every change of what the same flags train. Folders from before there was a number
# have none. Branches of other weights that were begun by a rule before 4 go on by it, with the
# slots of the old weights.
RULES = 4
FRESH_SLOTS_FOR_NEW_WEIGHTS = 4

# Those whose update depends on the gradients and the slots alone. Nobody else's is known.
_WITHOUT_STEP_COUNT = frozenset({"sgd", "rmsprop", "adagrad", "adadelta", "ftrl", "lion"})


def outdated_rules(identity: Identity, details: RunDetails) -> list[str]:
    """The rules by which a run or a branch was trained and would no longer be.

    Args:
      identity: its flag values.
      details: what else it remembers.

    Returns:
      Sentences; none if the same flags train the same today.
    """
    outdated = []
    # Branches by name: those that there were under the rules in question.
    if details.rules < 3 and _ranked_apart(identity):
        outdated.append(
            f"{identity.score} ranked the weights of each layer, or of each pruning rate, "
            "apart; now it ranks all together, as its authors do"
        )
    starts_late = details.rewind_step > 0 or "fine_tune" in (identity.retraining, identity.branch)
    if starts_late and not identity.rewind_optimizer:
        outdated += outdated_restart(identity.optimizer, details.rules)
    return outdated


def made_by_older_version(run: RunFolder) -> str | None:
    """Says by which outdated rules a run or a branch was begun; None if there are none."""
    outdated = outdated_rules(run.identity, run.details)
    if not outdated:
        return None
    return f"{run.path} was begun by an older version of tf_lottery: {'; '.join(outdated)}."


def _ranked_apart(identity: Identity) -> bool:
    """Whether weights were pruned before training by a method that ranks all of them together."""
    rates = (
        identity.conv_pruning_rate,
        identity.first_layer_pruning_rate,
        identity.output_pruning_rate,
    )
    own_rates = any(rate is not None for rate in rates)
    layerwise = identity.pruning_scope == "layerwise"
    by_branch = identity.branch == "before_training" and (layerwise or own_rates)
    by_run = identity.prune_from == "rewind_step" and own_rates and not layerwise
    return identity.score in ("snip", "grasp", "synflow") and (by_branch or by_run)


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
