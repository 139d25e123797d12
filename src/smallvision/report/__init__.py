"""Reports: figures (by matplotlib) on one self-contained page. Reads run files only; no torch."""
