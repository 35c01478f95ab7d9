from __future__ import annotations

import pytest

from il_ros.launching.launch_document import LaunchError
from il_ros.launching.launch_names import fully_qualified, joined, node


@pytest.mark.parametrize(
    ('base', 'namespace', 'expected'),
    [
        (None, None, None),
        (None, 'left', '/left'),
        (None, '', '/'),
        ('/', None, '/'),
        ('/', 'left', '/left'),
        ('/left', None, '/left'),
        ('/left', '', '/left'),
        ('/left', 'arm', '/left/arm'),
        ('left', 'arm/', '/left/arm'),
        ('/left', '/right', '/right'),
    ],
)
def test_joining(base: str | None, namespace: str | None, expected: str | None) -> None:
    assert joined(base, namespace, 'a:1') == expected


@pytest.mark.parametrize('namespace', ['2left', 'a//b', 'a-b', '//a'])
def test_invalid_namespaces_are_refused(namespace: str) -> None:
    with pytest.raises(LaunchError) as error:
        joined(None, namespace, 'a:1')
    shown = namespace if namespace.startswith('/') else f'/{namespace}'
    assert str(error.value) == (
        f'a:1: {shown!r} is not a valid namespace; allowed: parts of letters, digits and _, '
        'not starting with a digit, joined by /'
    )


def test_node_names() -> None:
    assert node('arm_1', 'a:1') == 'arm_1'
    with pytest.raises(LaunchError) as error:
        node('left/arm', 'a:1')
    assert str(error.value) == (
        "a:1: 'left/arm' is not a valid node name; "
        'allowed: letters, digits and _, not starting with a digit'
    )


def test_fully_qualified_names() -> None:
    assert fully_qualified('/', 'arm') == '/arm'
    assert fully_qualified('/left', 'arm') == '/left/arm'
    assert fully_qualified(None, 'arm') is fully_qualified('/left', None) is None
