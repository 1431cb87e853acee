import pytest

from tf_lottery.store.schema import LevelSummary


@pytest.fixture(autouse=True)
def _blank_unless_wanted(request: pytest.FixtureRequest) -> None:
    # Tests that look at the files, or draw what is hard to draw, ask for `pictures`.
    if "pictures" not in request.fixturenames:
        request.getfixturevalue("blank_pictures")


@pytest.fixture
def make_summary():
    """Makes the summary of a level at 0.8**level density, with any field replaced."""

    def make(level, test_accuracy, **fields):
        values = {
            "level": level,
            "density": 0.8**level,
            "weights_remaining": round(266_200 * 0.8**level),
            "test_accuracy": test_accuracy,
            "test_loss": 0.25,
            "early_stop_step": None,
            "early_stop_test_accuracy": None,
            "seconds": 12.5,
        }
        return LevelSummary(**(values | fields))

    return make
