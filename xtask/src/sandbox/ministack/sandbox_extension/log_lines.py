"""A message in the log drives no terminal and looks like no other one, whoever's words are in it.

Gap: MiniStack and Hypercorn write what was sent to them as it came. A header with an escape
sequence, which anybody on this machine may send, reached the terminal of whoever read the log.

Here: what cannot be printed is replaced, and every line of a message after its first is indented.

Instead of: the formatter of MiniStack's log.
"""

import logging


class Plain(logging.Formatter):
    def format(self, record):
        return "\n  ".join(printable(line) for line in super().format(record).split("\n"))


def printable(line):
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in line)


def keep():
    """Once MiniStack has set its log up."""
    for handler in logging.getLogger().handlers:
        before = handler.formatter
        handler.setFormatter(Plain(before._fmt, before.datefmt))
