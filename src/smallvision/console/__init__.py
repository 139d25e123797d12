"""Shows runs, studies and probes on a terminal or in a notebook. Uses rich only."""
