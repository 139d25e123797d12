"""Files: written whole or not at all, read back with every value checked, locked while a process writes. No torch."""
