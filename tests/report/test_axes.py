"""Axes of figures."""

from itertools import pairwise

import numpy as np
import pytest
from matplotlib.figure import Figure

from tf_lottery.report.figures.axes import set_density_axis


@pytest.mark.parametrize("columns", [1, 3])
def test_labels_of_densities_have_room_in_every_column(columns: int):
    figure = Figure(figsize=(9, 4), layout="constrained")
    every = np.atleast_1d(figure.subplots(1, columns))
    for axes in every:
        set_density_axis(axes, 100 * 0.8 ** np.arange(21))
    figure.draw_without_rendering()
    for axes in every:
        labels = [label.get_window_extent() for label in axes.get_xticklabels()]
        assert len(labels) >= 5
        assert all(one.x1 < next_.x0 for one, next_ in pairwise(labels))
