"""What is shown of runs and branches from their folders alone."""
