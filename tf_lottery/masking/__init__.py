"""Keras models that hold masks: wrappers, constraints, copies, in both Kerases."""
