"""What Lambda's own Python starts: the runtime's bootstrap, which imports the handler and asks for its first event.

    python -S -P launch.py HANDLER FOLDER...

The folders and the standard library are all that there is to import from.
"""

import sys

_, handler, *folders = sys.argv
sys.path[:0] = folders

from awslambdaric.__main__ import main  # noqa: E402  from the first of the folders

main(["bootstrap", handler])
