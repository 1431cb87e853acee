"""Analyses of run folders, each an `--experiment` of its own.

An analysis is a function `(run: MeasuredRun, levels) -> Rows` with `register_analysis` above it: in
a file here, or in a plug-in. Its keyword arguments are flags. The files are imported wherever flags
are, so only what measures imports TensorFlow.
"""
