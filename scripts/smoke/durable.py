"""`pegboard-durable` alone: files are written below a root, with nothing else installed."""

import tempfile
from importlib.metadata import distributions

from pegboard_durable import OutsideRootError, Root

installed = {distribution.name.lower().replace("_", "-") for distribution in distributions()}
assert installed == {"pegboard-durable"}, installed

root = Root(tempfile.mkdtemp())
root.create("notes", b"first")
root.replace("notes", b"second")
assert root.read("notes") == b"second"
assert [item.path for item in root.scan()] == ["notes"]
try:
    root.read("../outside")
except OutsideRootError:
    pass
else:
    raise AssertionError("a path led out of the root")
