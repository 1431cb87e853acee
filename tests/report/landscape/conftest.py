import importlib

import pytest

from tf_lottery.report.figure_canvas import save_figure


@pytest.fixture
def drawn(monkeypatch):
    """Collects the matplotlib figures that are saved, by name."""
    figures = {}

    def save(figure, name, *texts):
        figures[name] = figure
        return save_figure(figure, name, *texts)

    for name in ("density_figure", "levels_figure", "curvature_figure", "magnitudes_figure"):
        module = importlib.import_module(f"tf_lottery.report.landscape.{name}")
        monkeypatch.setattr(module, "save_figure", save)
    return figures
