"""What is refused of a command, or told as having no effect, before TensorFlow is imported."""
