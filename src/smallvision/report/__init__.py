"""What a run has to show: figures (matplotlib's) and one self-contained page. Reads run files only; no torch."""
