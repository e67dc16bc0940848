"""Fixtures of the whole suite. Each comes from a module of its own; this file only names them."""

pytest_plugins = ("enginekit", "isolation", "realcluster", "realobjects")
