"""`python -m smallvision` is the command `smallvision`."""

from smallvision.cli import main

main()
