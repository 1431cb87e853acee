"""How the examples of a step, or of a set, are shared by the pipelines of a distributed run."""

from dataclasses import dataclass

from tf_lottery.data.order import steps_per_epoch


@dataclass(frozen=True)
class StepShares:
    """The part of an epoch's batches that one pipeline feeds to its replicas.

    Every batch is cut into as many equal contiguous shares as there are replicas in all
    pipelines; those of a pipeline's replicas lie together.

    Attributes:
      examples: number of training examples.
      batch_size: examples of a step, over all pipelines and replicas.
      first: step of the epoch that comes first.
      pipeline: number of this pipeline, from 0.
      pipelines: how many pipelines there are.
      replicas: replicas that each pipeline feeds.

    Raises:
      ValueError: if the batch cannot be shared equally, or if a number is out of its range.
    """

    examples: int
    batch_size: int
    first: int
    pipeline: int
    pipelines: int
    replicas: int

    def __post_init__(self):
        all_replicas = self.pipelines * self.replicas
        if self.batch_size % all_replicas:
            raise ValueError(
                f"--batch_size={self.batch_size} is not a multiple of the {all_replicas} replicas "
                "that share it."
            )
        check_pipeline(self.pipeline, self.pipelines)
        if not 0 <= self.first <= self.steps:
            raise ValueError(f"first={self.first} must be between 0 and {self.steps}, the steps.")

    @property
    def steps(self) -> int:
        """Steps of the whole epoch."""
        return steps_per_epoch(self.examples, self.batch_size)

    @property
    def size(self) -> int:
        """Examples of one replica in one step."""
        return self.batch_size // (self.pipelines * self.replicas)

    @property
    def pipeline_size(self) -> int:
        """Examples of all replicas of one pipeline in one step."""
        return self.size * self.replicas


def check_pipeline(pipeline: int, pipelines: int) -> None:
    """Checks the number of a pipeline.

    Args:
      pipeline: number of the pipeline.
      pipelines: how many there are.

    Raises:
      ValueError: if there is no such pipeline.
    """
    if not 0 <= pipeline < pipelines:
        raise ValueError(f"pipeline={pipeline} must be between 0 and {pipelines - 1}.")


def pipeline_range(examples: int, pipeline: int, pipelines: int) -> tuple[int, int]:
    """Divides examples among pipelines, as evenly as can be.

    Args:
      examples: how many there are.
      pipeline: number of the pipeline, from 0.
      pipelines: how many pipelines there are.

    Returns:
      The first of the pipeline's examples, and the first after them.
    """
    return examples * pipeline // pipelines, examples * (pipeline + 1) // pipelines


def evaluation_batches(examples: int, batch_size: int, pipelines: int) -> int:
    """Counts the batches that every pipeline yields in an evaluation.

    Args:
      examples: number of examples of all pipelines.
      batch_size: examples of one batch of one pipeline.
      pipelines: how many pipelines there are.

    Returns:
      As many batches as the pipeline with the most examples fills.

    Raises:
      ValueError: if `batch_size` is less than 1.
    """
    if batch_size < 1:
        raise ValueError(f"batch_size={batch_size} must be at least 1.")
    most = -(-examples // pipelines)
    return -(-most // batch_size)
