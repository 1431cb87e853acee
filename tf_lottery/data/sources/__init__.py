"""Data sets that are not of tensorflow-datasets: one file each, which registers itself."""
