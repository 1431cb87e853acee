"""The landscape of the error around tickets: lines, distances, curvature, magnitudes."""
