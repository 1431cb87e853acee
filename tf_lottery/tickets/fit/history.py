"""What a search found at each level."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas
    from matplotlib.figure import Figure

_ENDS = ("iterations", "stopped_early", "weights_at")


@dataclass(frozen=True)
class LevelResult:
    """A level of a search.

    Attributes:
      level: number of prunings so far.
      density: fraction of the prunable weights that remain.
      weights_remaining: number of them.
      metrics: Keras logs of the weights that the level keeps: loss, val_accuracy, ...
      iterations: iteration at which the level ended; None if it is not known.
      stopped_early: whether a callback ended it, before its planned end.
      weights_at: iteration of the weights that are kept; less than `iterations` if a callback such
        as EarlyStopping gave the best ones back.
    """

    level: int
    density: float
    weights_remaining: int
    metrics: dict[str, float]
    iterations: int | None = None
    stopped_early: bool = False
    weights_at: int | None = None

    def __str__(self) -> str:
        """A line: level, weights that remain, how it ended if not as planned, metrics."""
        metrics = ", ".join(f"{name} {value:.4g}" for name, value in self.metrics.items())
        remaining = f"{self.density:.3g} of the weights ({self.weights_remaining:,})"
        ended = f", stopped at iteration {self.iterations}" if self.stopped_early else ""
        if self.weights_at != self.iterations:
            ended += f", weights of iteration {self.weights_at}"
        return f"Level {self.level}, {remaining}{ended}" + (f": {metrics}" if metrics else "")


@dataclass(repr=False)
class SearchHistory:
    """Results of all levels so far, in order; a notebook shows them as a table.

    Attributes:
      levels: the results.
      ended: why the search ended before its last level, in a sentence; None if it did not.
    """

    levels: list[LevelResult] = field(default_factory=list)
    ended: str | None = None

    def to_frame(self) -> "pandas.DataFrame":
        """A row per level: what `LevelResult` has, with a column for each of its metrics."""
        import pandas

        return pandas.DataFrame(
            [
                {
                    "level": result.level,
                    "density": result.density,
                    "weights_remaining": result.weights_remaining,
                    **{name: getattr(result, name) for name in _ENDS},
                    **result.metrics,
                }
                for result in self.levels
            ]
        )

    def plot(self, metric: str | None = None) -> "Figure":
        """Draws a metric against the weights that remain, the dense network as a dashed line.

        Args:
          metric: name in the levels' metrics; by default the first of val_accuracy, accuracy,
            val_loss, loss that there is, else any.

        Returns:
          The figure: a notebook shows it, and `savefig` writes it.

        Raises:
          ValueError: if no level has that metric.
        """
        from matplotlib.figure import Figure

        metric = metric or self._usual_metric()
        results = [result for result in self.levels if metric in result.metrics]
        if not results:
            known = sorted({name for result in self.levels for name in result.metrics})
            raise ValueError(f"metric={metric!r}: the levels have {', '.join(known) or 'none'}.")
        figure = Figure(figsize=(6.4, 4.0), layout="constrained")
        axes = figure.add_subplot()
        if results[0].level == 0:
            axes.axhline(results[0].metrics[metric], color="grey", linestyle="--", label="dense")
            axes.legend()
        percents = [100 * result.density for result in results]
        axes.plot(percents, [result.metrics[metric] for result in results], "o-")
        axes.set_xscale("log")
        axes.invert_xaxis()
        axes.xaxis.set_major_formatter("{x:g}")
        axes.set_xlabel("weights remaining (%)")
        axes.set_ylabel(metric)
        return figure

    def _usual_metric(self) -> str:
        known = dict.fromkeys(name for result in self.levels for name in result.metrics)
        usual = ("val_accuracy", "accuracy", "val_loss", "loss")
        return next((name for name in (*usual, *known) if name in known), usual[0])

    def __repr__(self) -> str:
        """The table as text."""
        if not self.levels:
            return "SearchHistory without levels"
        return self._shown().to_string(index=False, float_format="{:.4g}".format)

    def _shown(self) -> "pandas.DataFrame":
        """The table; how levels ended is told where one did not end as planned."""
        as_planned = not any(
            result.stopped_early or result.weights_at != result.iterations for result in self.levels
        )
        frame = self.to_frame()
        return frame.drop(columns=list(_ENDS)) if as_planned else frame

    def _repr_html_(self) -> str:
        if not self.levels:
            return repr(self)
        return self._shown().to_html(index=False, float_format="{:.4g}".format)
