"""What runs, studies and probes look like on a terminal or in a notebook. rich only."""
