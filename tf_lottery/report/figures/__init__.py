"""Figures: the canvas, axes and colours of all, and those of runs; analyses have their own."""
