"""What the program ``mas`` runs, and ``python -m mas``."""

import signal
import sys

# Until the command line ends in its own way, ^C ends it without a word: half of it loaded, there is nothing to undo.
if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)

from mas.cli import main

if __name__ == "__main__":
    sys.exit(main())
