"""Statistics on plain numbers and arrays: intervals. No torch."""
