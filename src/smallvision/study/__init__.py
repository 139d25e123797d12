"""Studies: many experiments that are expanded, scheduled, run in worker processes and compared on validation images."""
