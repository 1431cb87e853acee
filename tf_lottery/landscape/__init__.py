"""The loss around a solution: its curvature, and how much can be pruned at once there."""
