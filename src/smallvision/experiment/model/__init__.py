"""The specs of networks, and their union."""
