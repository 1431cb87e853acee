"""What `--log_to` logs to: one file each."""
