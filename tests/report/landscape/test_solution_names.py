import pytest

from tf_lottery.report.landscape.solution_names import solution_text


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("level_5", "level 5"),
        ("level 5", "level 5"),
        ("rewind", "rewind point"),
        ("level_3/checkpoint/step_500", "level 3 at step 500"),
        ("branches/random_mask/level_5", "level 5 of random mask"),
        ("branches_random_mask_level_5", "level 5 of random mask"),
        (
            "branches/retrain-data_seed_7-learning_rate_0.01/level_12",
            "level 12 of retrain, data seed 7, learning rate 0.01",
        ),
        ("../replicate_2/level_4", "level 4 of replicate 2"),
        ("replicate_2_level_4", "level 4 of replicate 2"),
        ("elsewhere/solution", "elsewhere/solution"),
    ],
)
def test_solutions_are_named_in_words(name, text):
    assert solution_text(name) == text
