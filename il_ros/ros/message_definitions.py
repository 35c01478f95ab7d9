"""Message definitions from the installed packages, as a bag carries them."""

from __future__ import annotations

import os
import re

from il_ros.core.errors import IlRosError
from il_ros.launching import packages

_RULE = '=' * 80
# A field's type, in front of its array bounds: `geometry_msgs/Pose[<=3] poses`.
_FIELD = re.compile(r'^\s*([A-Za-z][\w/]*)(?:<=\d+)?(?:\[[^]]*\])?\s+[A-Za-z]\w*')
_PRIMITIVES = {'bool', 'byte', 'char', 'string', 'wstring', 'float32', 'float64'}
_PRIMITIVES |= {f'{sign}int{bits}' for sign in ('', 'u') for bits in (8, 16, 32, 64)}


def definition_of(type_name: str) -> str:
    """The text of the .msg file behind `package/msg/Name`, and of those of the types inside it.

    They follow one another as rosbag2 writes them, with a rule and `MSG: package/Name` between.

    Raises:
        IlRosError: If a package is not installed or lacks a file.
    """
    texts = {type_name: _text(type_name)}
    todo = [type_name]
    while todo:
        name = todo.pop()
        for part in _parts(name, texts[name]):
            if part not in texts:
                texts[part] = _text(part)
                todo.append(part)
    head = texts.pop(type_name)
    rest = [f'{_RULE}\nMSG: {name.replace("/msg/", "/")}\n{text}' for name, text in texts.items()]
    return '\n'.join([head, *rest])


def _text(type_name: str) -> str:
    package, _, short = type_name.partition('/msg/')
    path = packages.share(package, os.environ, type_name) / 'msg' / f'{short}.msg'
    try:
        return path.read_text(encoding='utf-8')
    except OSError as problem:
        raise IlRosError(f'no message definition: {problem}', where=type_name) from None


def _parts(type_name: str, text: str) -> list[str]:
    """The types of the fields that are no primitives."""
    package = type_name.partition('/')[0]
    found = (match[1] for match in map(_FIELD.match, text.splitlines()) if match)
    return [_absolute(kind, package) for kind in found if kind not in _PRIMITIVES]


def _absolute(kind: str, package: str) -> str:
    if '/' not in kind:
        return f'{package}/msg/{kind}'
    return kind if '/msg/' in kind else kind.replace('/', '/msg/')
