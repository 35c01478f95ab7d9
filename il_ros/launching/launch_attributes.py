"""Reads the attributes of a tag, their substitutions carried out.

All of these raise LaunchError where a substitution cannot be carried out.
"""

from __future__ import annotations

import re
import shlex

from il_ros.launching.launch_document import Element, LaunchError
from il_ros.launching.substitutions import Call, Scope, expand, parse

_HOLE = '\0'  # placeholder of a substitution while words are split; no XML text contains it
_OUTPUTS = ('screen', 'both')


def text(element: Element, attribute: str, scope: Scope) -> str:
    """Return an attribute that must be there."""
    template = parse(element.attributes[attribute], element.where)
    return expand(template, scope, element.where)


def optional(element: Element, attribute: str, scope: Scope) -> str | None:
    """Return an attribute, or None where it is not written."""
    return text(element, attribute, scope) if attribute in element.attributes else None


def words(element: Element, attribute: str, scope: Scope) -> tuple[str, ...]:
    """Split a command line as a shell does; the value of a substitution is never split.

    Raises:
        LaunchError: If a quote is not closed before the next substitution or the end.
    """
    template = parse(element.attributes.get(attribute, ''), element.where)
    calls = [part for part in template if isinstance(part, Call)]
    values = iter([expand((call,), scope, element.where) for call in calls])
    texts = [part if isinstance(part, str) else _HOLE for part in template]
    try:
        for part in texts:
            shlex.split(part)  # refuses a quote around a substitution, as launch does
        split = shlex.split(''.join(texts))
    except ValueError as error:
        raise LaunchError(f'{attribute}: {error}', where=element.where) from error
    return tuple(re.sub(_HOLE, lambda _: next(values), word) for word in split)


def wanted(element: Element, scope: Scope) -> bool:
    """Tell whether the tag's ``if`` or ``unless`` lets it be carried out.

    Raises:
        LaunchError: If the condition is no truth value.
    """
    for attribute, meant in (('if', True), ('unless', False)):
        if attribute in element.attributes:
            return truth(text(element, attribute, scope), attribute, element.where) is meant
    return True


def truth(value: str, attribute: str, where: str) -> bool:
    """Read true, 1, false or 0, in either case.

    Raises:
        LaunchError: If it is none of these.
    """
    truths = {'true': True, '1': True, 'false': False, '0': False}
    meant = truths.get(value.strip().lower())
    if meant is None:
        raise LaunchError(f'{attribute}={value!r} is no truth value', where=where, allowed=truths)
    return meant


def check_output(element: Element, scope: Scope) -> None:
    """Accept only the ``output`` that this runner supports: all of it on the screen.

    Raises:
        LaunchError: If another one is asked for.
    """
    output = optional(element, 'output', scope)
    if output is not None and output not in _OUTPUTS:
        raise LaunchError(
            f'output={output!r}: this runner shows all output',
            where=element.where,
            allowed=_OUTPUTS,
        )
