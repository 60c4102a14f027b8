"""What the pages ask of curl, for machines without it: the same options, the same output."""

import argparse
import sys
from pathlib import Path
from typing import Any

import httpx2


def options() -> argparse.ArgumentParser:
    """Return the options that the pages use; any other is an error."""
    parser = argparse.ArgumentParser(prog="curl")
    parser.add_argument("url")
    parser.add_argument("-A", "--user-agent", default="curl")
    parser.add_argument("-F", "--form", action="append", default=[])
    parser.add_argument("-H", "--header", action="append", default=[])
    parser.add_argument("-X", "--request")
    parser.add_argument("-d", "--data")
    parser.add_argument("-i", "--include", action="store_true")
    parser.add_argument("--http2-prior-knowledge", action="store_true")
    parser.add_argument("--write-out", default="")
    return parser


def form(parts: list[str]) -> list[tuple[str, Any]]:
    """Return the parts of a multipart form: `name=text` or `name=@path;type=media/type`."""
    found: list[tuple[str, Any]] = []
    for part in parts:
        name, _, value = part.partition("=")
        if value.startswith("@"):
            path, _, kind = value[1:].partition(";type=")
            media = kind or "application/octet-stream"
            found.append((name, (Path(path).name, Path(path).read_bytes(), media)))
        else:
            found.append((name, (None, value.encode())))
    return found


def main(argv: list[str]) -> None:
    """Send the request and print the answer."""
    asked = options().parse_args(argv)
    sent = {"accept": "*/*", "accept-encoding": "identity", "user-agent": asked.user_agent}
    if asked.data is not None:
        sent["content-type"] = "application/x-www-form-urlencoded"
    sent |= {
        name.strip().lower(): value.strip()
        for name, _, value in (each.partition(":") for each in asked.header)
    }
    is_http2 = asked.http2_prior_knowledge
    method = asked.request or ("GET" if asked.data is None and not asked.form else "POST")
    with httpx2.Client(http1=not is_http2, http2=is_http2, timeout=20, trust_env=False) as client:
        response = client.request(
            method, asked.url, headers=sent, content=asked.data, files=form(asked.form) or None
        )
    if asked.include:
        lines = [f"{response.http_version} {response.status_code} {response.reason_phrase}"]
        lines += [f"{name.decode()}: {value.decode()}" for name, value in response.headers.raw]
        print("\n".join(lines), end="\n\n")
    version = response.http_version.removeprefix("HTTP/").removesuffix(".0")
    print(response.text + asked.write_out.replace("%{http_version}", version), end="")


if __name__ == "__main__":
    main(sys.argv[1:])
