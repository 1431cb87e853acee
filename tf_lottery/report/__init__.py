"""What people read: level summaries, the final table, the figure and the progress lines."""
