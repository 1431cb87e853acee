"""The number format that networks compute in."""

import tensorflow as tf

_FIRST_GPU_WITH_BFLOAT16 = (8, 0)


def resolve_precision(mixed_precision: str) -> str:
    """Name of the Keras policy for the devices of the current strategy.

    Variables are float32 in either policy, so masks, scores and rewinding are not affected.

    Args:
      mixed_precision: "on": compute in bfloat16; "off": in float32; "auto": in bfloat16 on TPUs
        and on GPUs that have it.
    """
    wanted = mixed_precision == "on" or (mixed_precision == "auto" and _has_bfloat16())
    return "mixed_bfloat16" if wanted else "float32"


def _has_bfloat16() -> bool:
    if isinstance(tf.distribute.get_strategy(), tf.distribute.TPUStrategy):
        return True
    gpus = tf.config.list_physical_devices("GPU")
    details = [tf.config.experimental.get_device_details(gpu) for gpu in gpus]
    return bool(gpus) and all(
        detail.get("compute_capability", (0, 0)) >= _FIRST_GPU_WITH_BFLOAT16 for detail in details
    )
