"""The README's Python runs as it stands there."""

import re
from pathlib import Path

import tf_keras as keras

import tf_lottery

README = (Path(__file__).parent.parent / "README.md").read_text()
LIBRARY, CALLBACK = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def test_the_library_in_ten_lines(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names = {}
    exec(LIBRARY, names)
    assert [result.level for result in names["history"].levels] == [0, 1, 2, 3, 4, 5]
    assert names["history"].levels[5].weights_remaining == round(22_200 * 0.6**5)
    assert names["history"].levels[5].metrics["val_accuracy"] > 0.85
    assert "weights_remaining" in capsys.readouterr().out
    assert (tmp_path / "ticket" / "saved_model.pb").exists()

    dense = keras.models.clone_model(tf_lottery.strip(names["model"]))
    model = tf_lottery.prunable(dense)
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    callback_names = {**names, "model": model}
    exec(CALLBACK.replace("callbacks=[imp]", "callbacks=[imp], verbose=0"), callback_names)
    assert [result.level for result in callback_names["imp"].history.levels] == [0, 1, 2, 3, 4, 5]
    assert tf_lottery.get_mask(model).remaining == round(22_200 * 0.6**5)


def test_configurations_are_in_the_readme():
    for path in (Path(__file__).parent.parent / "configs").glob("*.cfg"):
        assert f"configs/{path.name}" in README
