"""The extension's own tests.

SANDBOX_TESTS_ABOUT takes those that are about one program (`docker`, `bubblewrap`), or about
`nothing` that a machine may lack; without it they all run.
"""

import os
import unittest


def load_tests(loader, tests, pattern):
    folder = os.path.dirname(__file__)
    found = loader.discover(folder, pattern or "test*.py", os.path.dirname(folder))
    wanted = os.environ.get("SANDBOX_TESTS_ABOUT")
    tests.addTests(test for test in each(found) if wanted in (None, about(test)))
    return tests


def each(suite):
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from each(test)
        else:
            yield test


def about(test):
    """What the test's method or its class says; a file that cannot be imported has neither."""
    method = getattr(test, getattr(test, "_testMethodName", ""), None)
    return getattr(method, "about", getattr(test, "about", "nothing"))
