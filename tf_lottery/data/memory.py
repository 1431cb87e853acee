"""How much memory a data set may take."""

_LARGEST_FRACTION = 0.7


def check_fits_memory(dataset: str, data_bytes: int, available_bytes: int, cause: str = "") -> None:
    """Refuses data that would crowd out the training.

    Args:
      dataset: the name of the set, for the message.
      data_bytes: size of its decoded examples.
      available_bytes: memory that can be had, from `machine.available_memory`.
      cause: the flag that makes the data so large, if one does.

    Raises:
      ValueError: if the data would take more than 70 % of the available memory.
    """
    if data_bytes > _LARGEST_FRACTION * available_bytes:
        raise ValueError(
            f"--dataset={dataset}{cause and f' with {cause}'} takes "
            f"{data_bytes / 2**30:.1f} GiB when decoded; "
            f"{available_bytes / 2**30:.1f} GiB of memory are available, of which at most "
            f"{_LARGEST_FRACTION:.0%} may hold data. Choose a smaller data set or image size."
        )
