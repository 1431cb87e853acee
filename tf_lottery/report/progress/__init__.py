"""Progress while something is trained, measured or exported."""
