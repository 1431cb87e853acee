"""The SavedModel that an experiment leaves with --export_dir."""

import numpy as np
import pytest

import tf_lottery


@pytest.mark.slow
def test_last_level_is_exported_for_raw_pixels(serve, tmp_path):
    flags = {"model": "lenet_20_10", "train_steps": "45it", "levels": 2, "jit_compile": "off"}
    flags |= {"workdir": str(tmp_path / "runs"), "export_dir": str(tmp_path / "ticket")}
    config = tf_lottery.config_from_values(flags)
    summaries = tf_lottery.run_experiment(config)
    test = tf_lottery.data.load_dataset("digits").test
    served = serve(tmp_path / "ticket", test.images.astype(np.float32))
    accuracy = np.mean(served["result"].argmax(axis=1) == test.labels)
    assert accuracy == summaries[2].test_accuracy > 0.3
    mask = tf_lottery.Mask.load(config.run_path / "level_2" / "masks.npz")
    for name, array in mask.items():
        assert (served[f"{name}:0"][~array] == 0).all()
        assert np.count_nonzero(served[f"{name}:0"]) == np.count_nonzero(array)
