"""Which runs were made by rules that have changed since."""

from dataclasses import replace

import pytest

from tests.store.details import DETAILS
from tf_lottery.store.identity import Identity
from tf_lottery.store.training_rules import RULES, outdated_rules

IDENTITY = {
    "optimizer": "adam",
    "rewind_optimizer": False,
    "retraining": "rewind_weights",
    "score": "magnitude",
    "pruning_scope": "global",
    "prune_from": "previous_level",
}
LATE, AT_0 = {"rewind_step": 100}, {"rewind_step": 0}
LAYERWISE = {"pruning_scope": "layerwise"}
BRANCH = {"branch": "before_training", "score": "snip"}
FROM_START = {"prune_from": "rewind_step", "score": "grasp"}


@pytest.mark.parametrize(
    ("changes", "details", "words"),
    [
        ({}, LATE, ["step count of adam"]),
        ({"optimizer": "adamw"}, LATE, ["step count of adamw"]),
        ({}, AT_0, []),
        ({"optimizer": "sgd"}, LATE, []),
        ({"rewind_optimizer": True}, LATE, []),
        ({"retraining": "fine_tune"}, AT_0, ["step count of adam"]),
        ({"branch": "fine_tune"}, AT_0, ["step count of adam"]),
        ({}, {**LATE, "rules": 2}, []),
        ({**BRANCH, **LAYERWISE}, AT_0, ["snip ranked"]),
        ({**BRANCH, **LAYERWISE}, {**AT_0, "rules": 2}, ["snip ranked"]),
        ({**BRANCH, "output_pruning_rate": 0.1}, AT_0, ["snip ranked"]),
        (BRANCH, AT_0, []),
        ({**BRANCH, **LAYERWISE, "score": "magnitude"}, AT_0, []),
        ({**FROM_START, "conv_pruning_rate": 0.1}, LATE, ["grasp ranked", "step count of adam"]),
        ({**FROM_START, **LAYERWISE}, AT_0, []),
        (FROM_START, AT_0, []),
        ({**BRANCH, **LAYERWISE}, {**LATE, "rules": RULES}, []),
    ],
)
def test_only_what_would_be_trained_otherwise_is_outdated(changes, details, words):
    found = outdated_rules(Identity({**IDENTITY, **changes}), replace(DETAILS, **details))
    assert len(found) == len(words)
    assert all(word in sentence for word, sentence in zip(words, found, strict=True))
