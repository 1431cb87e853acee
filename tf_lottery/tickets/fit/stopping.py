"""Whether a search of the library ends with a level that is not accurate enough any more."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tf_lottery.config.stopping import StopRule, read_stop_rule
from tf_lottery.tickets.fit.history import LevelResult


@dataclass(frozen=True)
class StoppingRule:
    """The arguments `stop_below` and `stop_metric` of a search.

    Attributes:
      below: as it was given; None: nothing ends the search early.
      metric: name of the accuracy in the metrics of levels; None: the one on validation data.
    """

    below: float | str | None
    metric: str | None

    @property
    def rule(self) -> StopRule | None:
        """What `below` says.

        Raises:
          ValueError: if it is neither an accuracy nor points.
        """
        return read_stop_rule("stop_below", self.below)

    def check(self) -> None:
        """Checks the arguments.

        Raises:
          ValueError: as `rule`, or if there is a metric without it.
        """
        rule, metric = self.rule, self.metric
        if metric is not None and not (isinstance(metric, str) and metric):
            raise ValueError(f"stop_metric={metric!r}: use the name of a metric: 'val_accuracy'.")
        if metric is not None and rule is None:
            raise ValueError(f"stop_metric={metric!r} is for stop_below; give both, or neither.")

    def check_fit(self, fit_arguments: Mapping[str, Any], epochs: int) -> None:
        """Checks that a `fit` has the data that are looked at, and looks at them in level 0.

        Args:
          fit_arguments: of the `fit`.
          epochs: length of level 0.

        Raises:
          ValueError: if it has no validation data, or validates later.
        """
        data, split = (fit_arguments.get(f"validation_{name}") for name in ("data", "split"))
        validates = split or (data is not None and data is not False)
        looks_at_validation = self.metric is None or self.metric.startswith("val_")
        if self.rule is None or not looks_at_validation:
            return
        if not validates:
            raise ValueError(
                f"stop_below={self.below!r} looks at the accuracy on validation data: give fit "
                "validation_data= or validation_split=. (stop_metric= names another metric.)"
            )
        freq = fit_arguments.get("validation_freq") or 1
        first = min(freq) if isinstance(freq, Collection) else freq
        if first > epochs:
            raise ValueError(
                f"validation_freq={freq!r}: the first validation is after epoch {first}, and level "
                f"0 ends after epoch {epochs}, where stop_below={self.below!r} looks at the "
                "accuracy on validation data; validate more often."
            )

    def metric_in(self, metrics: Mapping[str, Any]) -> str:
        """The name of the metric that is looked at.

        Args:
          metrics: of a level, or of an epoch with validation.

        Raises:
          ValueError: if it is not among them, or none of them is the one to look at.
        """
        found = [name for name in metrics if name.startswith("val_") and "acc" in name]
        if self.metric is not None:
            found = [name for name in metrics if name == self.metric]
        if len(found) != 1:
            wanted = self.metric or "one accuracy on validation data"
            raise ValueError(
                f"stop_below={self.below!r} looks at {wanted}, and the metrics are "
                f"{', '.join(metrics) or 'none'}; give stop_metric= the name of one of them."
            )
        return found[0]

    def end(self, levels: Sequence[LevelResult]) -> str | None:
        """Says why a search has ended, if one of its levels has ended it.

        Args:
          levels: results from level 0 on.

        Raises:
          ValueError: as `metric_in`.
        """
        rule = self.rule
        if rule is None or not levels:
            return None
        metric = self.metric_in(levels[0].metrics)
        dense = levels[0].metrics[metric]
        for result in levels:
            value = result.metrics.get(metric)
            if value is not None and rule.is_below(value, dense):
                return (
                    f"The search ended with level {result.level}, whose {metric}, {value:.4g}, is "
                    f"below {rule.least(dense):.4g} (stop_below={self.below!r})."
                )
        return None
