"""Studies of many trainings, side by side in processes of their own."""
