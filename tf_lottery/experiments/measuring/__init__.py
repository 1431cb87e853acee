"""What the analyses of run folders have in common."""
