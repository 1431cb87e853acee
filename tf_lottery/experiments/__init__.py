"""What `main.py` can run."""
