"""The types that a bag defines, read in bounded time.

The parser of rosbags tries one way after another: two brackets within one another in a constant of
IDL keep it busy without an end, and empty lines take the square of their number. So what no
generator of ROS writes is refused before it is parsed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from rosbags.typesys import Stores, get_types_from_idl, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from il_ros.bags.bag_metadata import BagTopic

_MOST = 64 << 10  # characters of a definition; ours have some thousand
_MOST_ANNOTATIONS = 100  # of one in IDL
_DIFFERENT = 8  # definitions of one type

_SEVERAL = '=' * 80 + '\nIDL: '  # what begins a type in a definition of several
_BLANK = re.compile(r'\n[ \t\r]*+(?=\n)')
# Comments and texts, also without an end; and annotations once there are none in them.
_REMARK = re.compile(r'//[^\n]*+|/\*.*?(?:\*/|\Z)|"(?:[^"\\]|\\.)*+(?:"|\Z)', re.DOTALL)
_ANNOTATION = re.compile(r'@\w++\s*+(?:\([^()]*+\))?+')
# Numbers in brackets, types three deep, two dimensions.
_ODD = re.compile(r'[()]|<[^<>]*+<[^<>]*+<|\]\s*+\[')


def type_store(topics: Iterable[BagTopic]) -> Typestore:
    """The types of ROS, and those that the definitions of some topics have; not to be changed.

    Raises:
        ValueError: If a definition is not one that ROS would have written, or there are too many.
        Exception: Whatever rosbags raises for one that cannot be parsed.
    """
    found = {(topic.type, topic.schema_encoding, topic.definition): None for topic in topics}
    if len(found) > _DIFFERENT:
        raise ValueError(f'{len(found)} definitions, at most {_DIFFERENT} are read')
    return _store(tuple(found))


@lru_cache(maxsize=8)  # bags of one recorder have the same ones, and making it takes a while
def _store(definitions: tuple[tuple[str, str, bytes], ...]) -> Typestore:
    types = dict(get_typestore(Stores.ROS2_JAZZY).fielddefs)
    for name, encoding, content in definitions:
        text = content.decode()
        if len(text) > _MOST:
            raise ValueError(f'a definition of {len(text)} characters, at most {_MOST} are read')
        if encoding == 'ros2msg' and text:
            types |= get_types_from_msg(_BLANK.sub('', text), name)
        if encoding in ('ros2idl', 'omgidl'):
            # Of several types in one text each has its name in the line before.
            several = [idl.partition('\n')[2] for idl in text.split(_SEVERAL)[1:]]
            for idl in several or [text]:
                _require_plain(idl)
                types |= get_types_from_idl(idl)
    store = get_typestore(Stores.EMPTY)
    store.register(types)
    return store


def _require_plain(idl: str) -> None:
    rest, annotations = _ANNOTATION.subn('', _REMARK.sub(' ', idl))
    odd = _ODD.search(rest)
    if odd or annotations > _MOST_ANNOTATIONS:
        found = repr(odd[0][:40]) if odd else f'{annotations} annotations'
        raise ValueError(f'a definition in IDL with {found}, which ROS writes none with')
