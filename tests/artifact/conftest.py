"""The artifact, what plays AWS for it, and the times that are told at the end."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from artifact import built
from artifact.runtime_api import TIMES


@pytest.fixture(scope="session")
def artifact() -> built.Artifact:
    return built.artifact()


@pytest.fixture(scope="session")
def without_bytecode(artifact: built.Artifact, tmp_path_factory: pytest.TempPathFactory) -> built.Artifact:
    return artifact.without("__pycache__", tmp_path_factory.mktemp("source") / "artifact")


@pytest.fixture(scope="session")
def aws() -> Iterator[str]:
    """Where moto answers for what stands in this process's mocked cloud."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    told = [dict(report.user_properties) for report in terminalreporter.getreports("passed")]
    lines = sorted(properties[TIMES] for properties in told if TIMES in properties)
    if lines:
        terminalreporter.write_line(
            "cold starts in milliseconds: until the handler is imported + its first event (processor time of both)"
        )
        for line in lines:
            terminalreporter.write_line(line)
