"""`python -m styletransfer` is the command line."""

import sys

from styletransfer.app.cli import main

sys.exit(main())
