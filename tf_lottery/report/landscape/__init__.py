"""Tables and figures of the analyses of run folders."""
