"""Contract tests that a package runs against its own plug-ins::

from textgen.testing import check_plugin

def test_my_policy():
    check_plugin("rare_words", Shape())
"""

from textgen.evaluation.contracts import check_plugin as check_plugin

__all__ = ["check_plugin"]
