"""The graph that a verb talks to: one that runs already, or one of its own in lock-step."""

from __future__ import annotations

import os
import random
import socket
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from il_ros.cli.launch_command import find, start_node
from il_ros.core.contract import load_contract
from il_ros.core.errors import IlRosError
from il_ros.launching.child_process import log_directory, print_line
from il_ros.launching.launch_xml import evaluate
from il_ros.launching.process_supervisor import ProcessSupervisor

if TYPE_CHECKING:
    from il_ros.ros.graph_client import GraphClient

_DOMAINS = range(1, 102)  # below the ports that systems give out by themselves
_PARTICIPANTS = 20  # that a graph of one machine may have
_NEEDED = ('simulator/step', 'monitor/set_mode')


def isolate() -> None:
    """Keep the graph of this process and its children on this machine and to itself."""
    os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
    os.environ['ROS_DOMAIN_ID'] = str(_free_domain())


def _free_domain() -> int:
    """A domain, drawn from those in which nothing runs on this machine."""
    drawn = random.SystemRandom().sample(_DOMAINS, len(_DOMAINS))
    return next((domain for domain in drawn if _is_free(domain)), drawn[0])


def _is_free(domain: int) -> bool:
    """Whether nobody listens where a domain's participants do (DDSI-RTPS 2.5, 9.6.2).

    The first of them may have ended while others go on.
    """
    for participant in range(_PARTICIPANTS):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.bind(('', 7400 + 250 * domain + 10 + 2 * participant))
            except OSError:
                return False
    return True


@contextmanager
def graph(
    contract: Path,
    *,
    start: bool,
    namespace: str = '/',
    log: Path | None = None,
    **launch: str | Path,
) -> Iterator[GraphClient]:
    """Give a client of the running graph, or of one that is started here and ended afterwards.

    Args:
        contract: Contract file.
        start: Whether to start `demo.launch.xml` in lock-step, on this machine alone.
        namespace: Namespace of the running graph.
        log: Folder for what the nodes say, when they are started here; the terminal without one.
        launch: Other arguments of the launch file.

    Raises:
        IlRosError: If the graph lacks what every verb needs, or a node ended.
    """
    loaded = load_contract(contract)  # a wrong one is told of before any node starts
    with ExitStack() as stack:
        if start:
            isolate()
            supervisor = _start(stack, log, {'contract': contract, **launch})
        from il_ros.ros.graph_client import GraphClient

        client = stack.enter_context(GraphClient(loaded, namespace=namespace))
        try:
            client.wait_for(*_NEEDED)
            yield client
        except IlRosError:
            if start:
                supervisor.check()  # a node that ended is the better explanation
            raise


def _start(stack: ExitStack, log: Path | None, launch: dict[str, str | Path]) -> ProcessSupervisor:
    scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix='il_ros_')))
    given = {
        name: str(value.resolve() if isinstance(value, Path) else value)
        for name, value in launch.items()
    }
    specs = evaluate(find('demo'), given, scratch=scratch)
    supervisor = stack.enter_context(
        ProcessSupervisor(sink=log_directory(log) if log else print_line)
    )
    for spec in specs:
        start_node(supervisor, spec)
    return supervisor
