"""What a run folder remembers, as little of it as there may be."""

from tf_lottery.store.run_details import RunDetails

DETAILS = RunDetails(
    input_shape=(8, 8, 1),
    classes=10,
    pixel_mean=(0.5,),
    pixel_variance=(0.25,),
    steps_per_epoch=10,
    train_steps=40,
    rewind_step=0,
    init_seed=1,
    data_seed=1,
    data_sha256="a1b2",
)
