"""skalign completion: print a script that completes commands in a shell."""

from skalign.cli._kinds import require_package
from skalign.cli._main import make_parser
from skalign.cli._terminal import say

_FILES = ("source", "target", "map", "output", "prior")


def run(options):
    require_package("completion", "completion")
    import shtab

    parser = make_parser()
    commands = next(action for action in parser._actions if action.choices)
    for command in commands.choices.values():
        for action in command._actions:
            if action.metavar == "FILE" or action.dest in _FILES:
                action.complete = shtab.FILE
    say(shtab.complete(parser, options.shell))
    return 0
