"""``python -m sandbox COMMAND``: the offline cloud from the command line."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module

from sandbox.commands import CANNOT_RUN, CannotRun

DEMO = "demo"
COMMANDS = {
    "up": "stay up on 127.0.0.1: webhooks, the buyer's page, the merchants' API",
    "sign": "print the curl command that posts a signed webhook to a sandbox that is up",
    "shops": "list the shops",
    "invoke": "call one function with a sample event and show what it did",
    "replay": "run recorded events through the system, in their own time",
}


def main(arguments: Sequence[str]) -> int:
    """Answers the exit code: 0 done, 1 something failed, 2 it could not be begun."""
    if arguments[:1] == [DEMO]:
        # it reads its own options, and its imports are nobody else's
        from sandbox import demo

        return demo.run(arguments[1:])
    options = _parser(arguments).parse_args(arguments)
    try:
        code: int = import_module(f"sandbox.commands.{options.command}").run(options)
    except CannotRun as reason:
        print(f"python -m sandbox {options.command}: {reason}", file=sys.stderr)
        return CANNOT_RUN
    return code


def _parser(arguments: Sequence[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m sandbox", description="The offline cloud of Aftercare.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser(DEMO, help="the main job end to end, as a story, a table and an HTML report")
    for name, meaning in COMMANDS.items():
        command = commands.add_parser(name, help=meaning, description=meaning)
        if arguments[:1] == [name]:
            # the modules of the others need not be loaded
            import_module(f"sandbox.commands.{name}").add_arguments(command)
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
