"""The run folder: its layout, atomic and verified files, metrics, checkpoints, and its lock."""
