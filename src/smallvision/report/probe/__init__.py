"""The section about probes on the page of a run and on the page of a study."""
