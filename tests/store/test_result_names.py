from pathlib import Path

import pytest

from tf_lottery.store.result_names import (
    analysis_of,
    current_stem,
    result_path,
    result_stem,
    settings_of,
)

OLD_AND_NEW = {
    "magnitudes": "magnitudes",
    "successive_levels,30,union,estimated,test": (
        "successive_levels__30_points__union__estimated__test"
    ),
    "robustness,30,union,estimated,test,fresh": (
        "robustness__30_points__union__estimated__test__fresh_noise"
    ),
    "same_region,30,union,estimated,test,other_replicate_1": (
        "same_region__30_points__union__estimated__test__beside_other_replicate_1"
    ),
    "instability,2,30,union,estimated,test": (
        "instability__2_copies__30_points__union__estimated__test"
    ),
    "stability_layers,2": "stability_layers__2_copies",
    "curvature,500,0.1,0,10,1000it,last_rate": (
        "curvature__500_examples__loss_rise_0.1__seed_0__10_eigenvalues__retrained_1000it"
        "__at_last_rate"
    ),
    "level_0--branches_random_mask_level_1,3,union,estimated,both": (
        "level_0--branches_random_mask_level_1__3_points__union__estimated__both"
    ),
}


@pytest.mark.parametrize(("old", "new"), OLD_AND_NEW.items())
def test_names_have_words_and_no_commas_and_those_of_older_versions_are_read(old, new):
    name, *settings = old.split(",")
    assert result_stem(name, settings) == current_stem(old) == current_stem(new) == new
    assert "," not in new
    assert analysis_of(old) == analysis_of(new) == name
    assert settings_of(old) == settings_of(new)


def test_settings_that_are_left_out_leave_the_places_of_the_others():
    lines = ("30", "union", "estimated", "test")
    stem = "same_region__30_points__union__estimated__test"
    assert result_stem("same_region", [*lines, None]) == stem
    aligned = result_stem("same_region", [*lines, None, "aligned_by_weights"])
    assert aligned == f"{stem}__aligned_by_weights"
    assert settings_of(aligned)[-2:] == ("test data", "units matched by their weights")
    both = result_stem("same_region", [*lines, "b_replicate_1", "aligned_by_weights"])
    assert both == f"{stem}__beside_b_replicate_1__aligned_by_weights"


def test_settings_are_told_in_words():
    assert settings_of("robustness,30,union,estimated,test,fresh") == (
        "30 points on a line",
        "weights of either solution",
        "batch statistics estimated anew",
        "test data",
        "fresh SGD noise",
    )
    assert settings_of("successive_levels__30_points__union__estimated_at_random__test")[2] == (
        "batch statistics estimated anew on random examples"
    )
    assert settings_of("magnitudes") == ()


def test_a_file_of_an_older_version_is_gone_on_with(tmp_path: Path):
    new = tmp_path / "stability__2_copies.csv"
    old = tmp_path / "stability,2.csv"
    assert result_path(tmp_path, "stability", ["2"]) == new
    old.touch()
    assert result_path(tmp_path, "stability", ["2"]) == old
    new.touch()
    assert result_path(tmp_path, "stability", ["2"]) == new
