import pytest

from tf_lottery.report.summary import early_stop, matching_levels
from tf_lottery.store.schema import SUMMARY_COLUMNS, LevelSummary


def metrics_row(step, validation_loss, test_accuracy):
    return {"step": step, "validation_loss": validation_loss, "test_accuracy": test_accuracy}


def test_columns_are_the_file_format():
    assert SUMMARY_COLUMNS == (
        "level",
        "density",
        "weights_remaining",
        "test_accuracy",
        "test_loss",
        "early_stop_step",
        "early_stop_test_accuracy",
        "seconds",
    )


def test_a_record_of_a_level_tells_which_layers_have_no_weight_left(make_summary):
    summary = make_summary(7, 0.1, empty_layers=("conv_3", "conv_4"))
    layers = {"conv_3/kernel": [0, 9], "conv_4/kernel": [0, 9], "output/kernel": [1, 9]}
    record = {**summary.numbers(), "layers": layers}
    assert LevelSummary.from_record(record) == summary
    assert list(summary.numbers()) == list(SUMMARY_COLUMNS)
    # Of runs that were made before layers were recorded, it is not known.
    assert LevelSummary.from_record(summary.numbers()).empty_layers == ()


def test_early_stop_takes_the_earliest_of_equal_losses():
    rows = [
        metrics_row(0, 2.3, 0.1),
        metrics_row(100, 0.5, 0.90),
        metrics_row(200, 0.5, 0.95),
        metrics_row(300, 0.6, 0.99),
    ]
    assert early_stop(rows) == (100, 0.90)


def test_early_stop_ignores_missing_and_nan_losses():
    rows = [
        metrics_row(0, None, 0.1),
        metrics_row(100, float("nan"), 0.2),
        metrics_row(200, 0.7, None),
        metrics_row(300, 0.8, 0.9),
    ]
    assert early_stop(rows) == (200, None)


def test_early_stop_at_step_zero_is_not_missing():
    assert early_stop([metrics_row(0, 0.0, 0.0), metrics_row(1, 0.1, 0.5)]) == (0, 0.0)


@pytest.mark.parametrize("rows", [[], [metrics_row(0, None, 0.5)]])
def test_early_stop_without_validation_set(rows):
    assert early_stop(rows) == (None, None)


def test_matching_levels_begin_with_the_lowest_density_not_the_last_or_best(make_summary):
    accuracies = [0.90, 0.95, 0.89, 0.90, 0.85]
    summaries = [make_summary(*pair) for pair in enumerate(accuracies)]

    def found(summaries, *tolerance):
        return [summary.level for summary in matching_levels(summaries, 0.90, *tolerance)]

    assert found(summaries) == found(summaries[::-1]) == [3, 1]
    assert found(summaries, 0.05) == [4, 3, 2, 1]
    assert found(summaries, 0.049) == [3, 2, 1]


def test_matching_takes_a_dense_accuracy_and_a_pruned_level(make_summary):
    assert matching_levels([make_summary(0, 0.9)], 0.9) == []
    assert matching_levels([make_summary(1, 0.9)], None) == []
    assert matching_levels([make_summary(1, 0.9)], float("nan")) == []
    assert matching_levels([make_summary(1, float("nan"))], 0.9) == []
