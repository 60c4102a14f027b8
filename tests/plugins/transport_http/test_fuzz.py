"""Requests made from the description, valid and not: each is answered, and as described."""

import subprocess
import sys
from pathlib import Path

import pytest

from pegboard import App
from tests.served import served

EXAMPLES = 25  # for each operation, besides those at the edges of its schemas
TIMEOUT = 180.0

CHECKS = (
    # Not among them: that what a schema forbids is refused, and that what it allows is taken. The
    # text of a form or query is converted to what is asked for, which no schema can say.
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "unsupported_method",
    "allow_header_conformance",
    "missing_required_header",
    "ignored_auth",
)


@pytest.mark.timeout(TIMEOUT + 20)
def test_every_request_is_answered_as_described(tmp_path: Path) -> None:
    shapes = Path(__file__).with_name("shapes.py")
    app = App("fuzz", project=tmp_path, plugins=["transport_http"], mods=[shapes])
    with served(app) as address:
        done = subprocess.run(
            [
                Path(sys.executable).with_name("schemathesis"),
                "--no-color",
                "run",
                f"{address}/openapi.json",
                f"--max-examples={EXAMPLES}",
                "--phases=examples,coverage,fuzzing",
                f"--checks={','.join(CHECKS)}",
                "--generation-deterministic",
                "--suppress-health-check=all",
                "--continue-on-failure",
            ],
            check=False,
            capture_output=True,
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            timeout=TIMEOUT,
        )
    assert done.returncode == 0, done.stdout.decode(errors="replace")
    assert b"generated" in done.stdout
