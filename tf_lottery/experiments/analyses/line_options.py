"""What the options of lines between solutions say."""

from tf_lottery.config.analysis import AnalysisConfig


def line_splits(options: AnalysisConfig) -> list[str]:
    """The splits that `--line_split` names."""
    return ["test", "train"] if options.line_split == "both" else [options.line_split]


def line_settings(options: AnalysisConfig) -> tuple[int | str, ...]:
    """What lines depend on besides their ends."""
    return options.points, options.line_mask, options.line_statistics, options.line_split
