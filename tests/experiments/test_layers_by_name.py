"""A run whose flags choose layers by name."""

import tf_lottery


def test_only_the_chosen_layers_are_pruned_at_their_rates(run_tiny, tmp_path, capsys):
    flags = {"exclude": "dense_2", "pruning_rates_by_layer": "*:0.4,output:0"}
    flags |= {"train_steps": "8it", "evaluate_every": "8it"}
    run = run_tiny(tmp_path, **flags)
    printed = capsys.readouterr().out
    assert "--exclude=dense_2: not pruned: dense_2.\n" in printed
    assert "* (0.4): dense_1; output (0): output.\n" in printed
    for level, remaining in enumerate([1280, 768, 461]):
        mask = tf_lottery.get_mask(tf_lottery.load_ticket(run, level))
        assert set(mask) == {"dense_1/kernel", "output/kernel"}
        assert (mask["dense_1/kernel"].sum(), mask["output/kernel"].sum()) == (remaining, 100)
