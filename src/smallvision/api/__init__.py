"""The Python interface, with the words of the command line; `smallvision/__init__.py` lists its public names."""
