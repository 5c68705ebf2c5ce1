"""A MiniStack that moved on is refused with a list, before anything is changed."""

import sys
import types
import unittest
from unittest import mock

from sandbox_extension import hooks


class Hooks(unittest.TestCase):
    def setUp(self):
        self.module = types.ModuleType("fake_service")
        self.module.stop = lambda task, client=None: "stock"
        self.module.table = {"Stop": self.module.stop}
        for patch in (
            mock.patch.dict(sys.modules, fake_service=self.module),
            mock.patch.object(hooks, "_replacements", []),
            mock.patch.object(hooks, "_uses", []),
        ):
            patch.start()
            self.addCleanup(patch.stop)

    def test_a_function_is_replaced_in_its_module_and_in_tables(self):
        @hooks.replaces("fake_service", "stop")
        def stop(task, client=None):
            return "ours, not " + stop.stock(task, client)

        hooks.install()
        self.assertEqual(self.module.stop("task"), "ours, not stock")
        self.assertEqual(self.module.table["Stop"]("task"), "ours, not stock")

    def test_the_replacement_declared_last_is_the_outermost(self):
        @hooks.replaces("fake_service", "stop")
        def first(task, client=None):
            return "first(" + first.stock(task, client) + ")"

        @hooks.replaces("fake_service", "stop")
        def second(task, client=None):
            return "second(" + second.stock(task, client) + ")"

        hooks.install()
        self.assertEqual(self.module.stop("task"), "second(first(stock))")

    def test_everything_that_is_missing_is_named_and_nothing_is_changed(self):
        stock = self.module.stop
        hooks.uses("fake_service", "gone")

        @hooks.replaces("fake_service", "gone_too")
        def gone_too():
            """Replaces what does not exist."""

        @hooks.replaces("fake_service", "stop")
        def stop(task, client=None):
            """Could be replaced, were it not for the others."""

        with self.assertRaises(hooks.HookError) as caught:
            hooks.install()
        self.assertEqual(
            str(caught.exception), "fake_service has no gone\nfake_service has no gone_too"
        )
        self.assertIs(self.module.stop, stock)

    def test_other_parameters_are_refused(self):
        @hooks.replaces("fake_service", "stop")
        def stop(task):
            """Lacks a parameter."""

        with self.assertRaises(hooks.HookError) as caught:
            hooks.install()
        self.assertIn(
            "takes (task, client=None), but its replacement takes (task)", str(caught.exception)
        )

    def test_another_version_is_refused(self):
        with mock.patch("importlib.metadata.version", return_value="9.9.9"):
            with self.assertRaises(hooks.HookError) as caught:
                hooks.install()
        self.assertIn("ministack is 9.9.9", str(caught.exception))
