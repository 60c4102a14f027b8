"""A plugin object as the documented system has them, with as much in it as the tests need."""

# ruff: noqa: N802, N803 - the documented names

from collections.abc import Callable
from pathlib import Path
from typing import Any


class Signal:
    def __init__(self) -> None:
        self.receivers: list[Callable[..., Any]] = []

    def connect(self, receiver: Callable[..., Any]) -> None:
        self.receivers.append(receiver)

    def disconnect(self, receiver: Callable[..., Any]) -> None:
        self.receivers.remove(receiver)

    def emit(self, *values: Any) -> None:
        for receiver in self.receivers:
            receiver(*values)


class DataFile:
    """A file parameter: set or not, somewhere or nowhere."""

    def __init__(self, name: str, kind: str = "hklout") -> None:
        self._name = name
        self.path: Path | None = None
        self.file_type = kind
        self.contentFlag = 1
        self.annotation = "made by a test"

    def set(self, path: str | Path) -> None:
        self.path = Path(path)

    def isSet(self) -> bool:
        return self.path is not None

    def objectPath(self) -> str:
        return self._name


class Data:
    def __init__(self, **parameters: Any) -> None:
        vars(self).update(parameters)


class Container:
    def __init__(self, outputs: Data) -> None:
        self.outputData = outputs

    def find_all_files(self) -> list[DataFile]:
        return [each for each in vars(self.outputData).values() if isinstance(each, DataFile)]


class CPluginScript:
    SUCCEEDED = 0
    FAILED = 1
    RUNNING = 2
    UNSATISFACTORY = 3
    INTERRUPTED = 4
    MARK_TO_DELETE = 5

    def __init__(
        self, taskName: str = "script", name: str | None = None, parent: Any = None
    ) -> None:
        self.taskName = taskName
        self.name = name or taskName
        self._parent = parent
        self._status: int | None = None
        self._dbHandler: Any = None
        self._dbProjectId: Any = None
        self._dbJobId: Any = None
        self._dbJobNumber: str | None = None
        self.statusChanged = Signal()
        self.saved = 0
        self.inputData = Data(HKLIN=DataFile("container.inputData.HKLIN"), COLANO=DataFile("c"))
        self.outputData = Data(
            HKLOUT=DataFile("container.outputData.HKLOUT"),
            XYZOUT=DataFile("container.outputData.XYZOUT", "pdb"),
        )
        self.container = Container(self.outputData)
        self.outcome: Any = self.SUCCEEDED

    def parent(self) -> Any:
        return self._parent

    def makePluginObject(self, taskName: str, name: str) -> "CPluginScript":
        return CPluginScript(taskName=taskName, name=name, parent=self)

    def get_status(self) -> int | None:
        return self._status

    def saveParams(self) -> None:
        self.saved += 1

    async def execute(self) -> int:
        if isinstance(self.outcome, BaseException):
            raise self.outcome
        self._status = self.outcome
        self.statusChanged.emit(self._status)
        return self.outcome
