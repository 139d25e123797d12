"""The command `smallvision`, also as `python -m smallvision`.

Until `main` answers signals, Ctrl-C ends the process as it ends programs that are not Python's: without a traceback.
"""

import signal

if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)

from smallvision.cli import main

if __name__ == "__main__":
    main()
