"""`pegboard-durable` alone: files are written below a root, with nothing else installed."""

import tempfile
from importlib.metadata import distributions

from pegboard_durable import OutsideRootError, Root, decode_name, encode_name

installed = {distribution.name.lower().replace("_", "-") for distribution in distributions()}
assert installed == {"pegboard-durable"}, installed

root = Root(tempfile.mkdtemp())
name = encode_name("Was auch immer: ../ÄÖÜ")
root.create(name, b"first")
root.replace(name, b"second")
assert root.read(name) == b"second"
assert [decode_name(item.path) for item in root.scan()] == ["Was auch immer: ../ÄÖÜ"]
try:
    root.read("../outside")
except OutsideRootError:
    pass
else:
    raise AssertionError("a path led out of the root")
