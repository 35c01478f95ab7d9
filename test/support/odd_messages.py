"""Messages that nobody should send, made from the definition of any type."""

import importlib
import math
import random
from array import array

import numpy as np

FLOATS = (0.0, -0.0, 1.0, -1.5, math.nan, math.inf, -math.inf, 1e308, -1e308, 5e-324)
BITS = {'int8': 8, 'uint8': 8, 'int16': 16, 'uint16': 16, 'int32': 32, 'uint32': 32}
BITS |= {'int64': 64, 'uint64': 64, 'byte': 8, 'octet': 8}
# Replaced by a lone surrogate where bytes are sent: Python does not let a message have one.
SURROGATE, LONE = b'~lone~', b'\xed\xa0\x80\xed\xb0\x80'
STRINGS = (
    '', ' ', '/', '..', '/dev/zero', 'fr3_joint1', 'base', 'a' * 300, 'x' * 1_000_000, 'nan',
    '~lone~', '\x1b[31m\n\r\t', 'joint\u202e\U0001f916', '{"a": [', '%s%n', '0' * 5_000,
)  # fmt: skip
SIZES = (0, 0, 1, 2, 3, 7, 8, 9, 64, 1_000)
LARGE = 1_000_000


def type_of(name):
    """The class of a type as the graph names it, also one of an action's own services."""
    package, kind, base = name.split('/')
    module = importlib.import_module(f'{package}.{kind}')
    if kind != 'action' or hasattr(module, base):
        return getattr(module, base)
    action, part = base.rsplit('_', 1)
    parts = {'SendGoal': 'SendGoalService', 'GetResult': 'GetResultService'}
    return getattr(getattr(module, action).Impl, parts.get(part, part))


def odd_message(rng, kind, *, large=False):
    """Every field odd."""
    message = kind()
    fields = dict(kind.get_fields_and_field_types())
    grown = rng.choice(list(fields)) if large and fields else None
    for name, type_name in fields.items():
        setattr(message, name, _odd(rng, type_name, getattr(message, name), name == grown))
    return message


def mutated(rng, message):
    """A good message, one to three parts of which are odd; the message itself is changed."""
    for _ in range(rng.randint(1, 3)):
        part = message
        while True:
            fields = part.get_fields_and_field_types()
            if not fields:
                break
            name = rng.choice(list(fields))
            value = getattr(part, name)
            if hasattr(value, 'get_fields_and_field_types'):
                part = value
                continue
            if isinstance(value, list | array | np.ndarray) and len(value) and rng.random() < 0.5:
                _spoil(rng, value, fields[name])
            else:
                setattr(part, name, _odd(rng, fields[name], value, False))
            break
    return message


def broken(rng, data):
    """Bytes of a message that are cut, flipped, or of something else."""
    data = bytearray(data)
    way = rng.randrange(4)
    if way == 0:
        return bytes(data[: rng.randrange(len(data) + 1)])
    if way == 1:
        return bytes(data[:4]) + rng.randbytes(rng.randrange(200))
    for _ in range(rng.randint(1, 8)):
        if len(data) > 4:
            data[rng.randrange(4, len(data))] = rng.randrange(256)
    return bytes(data)


def with_surrogates(data):
    """The same bytes, with lone surrogates in some strings."""
    return data.replace(SURROGATE, LONE)


def _spoil(rng, values, type_name):
    """One element of a sequence becomes odd."""
    i, element = rng.randrange(len(values)), type_name.split('[')[0]
    element = element.removeprefix('sequence<').split('>')[0].split(',')[0]
    if hasattr(values[i], 'get_fields_and_field_types'):
        mutated(rng, values[i])
    else:
        values[i] = _odd(rng, element, values[i], False)


def _odd(rng, type_name, value, large):
    if hasattr(value, 'get_fields_and_field_types'):
        return odd_message(rng, type(value), large=large)
    if type_name.startswith('sequence<'):
        return _sequence(rng, type_name.removeprefix('sequence<').removesuffix('>'), large)
    if type_name.endswith(']'):
        element, size = type_name.removesuffix(']').split('[')
        return [_leaf(rng, element) for _ in range(int(size))]
    return _leaf(rng, type_name, large)


def _sequence(rng, element, large):
    element, _, bound = element.partition(', ')
    size = LARGE if large else rng.choice(SIZES)
    size = min(size, int(bound or size))
    if '/' in element:
        return [_leaf(rng, element) for _ in range(min(size, 64))]
    one = _leaf(rng, element)
    if isinstance(one, str):
        return [one[:10]] * size if size > 64 else [_leaf(rng, element)[:300] for _ in range(size)]
    return [one] * size if size > 1_000 else [_leaf(rng, element) for _ in range(size)]


def _leaf(rng, type_name, large=False):
    if '/' in type_name:
        package, base = type_name.split('/')
        return odd_message(rng, getattr(importlib.import_module(f'{package}.msg'), base))
    if type_name == 'boolean':
        return rng.random() < 0.5
    if type_name in ('float', 'double'):
        value = rng.choice(FLOATS)
        return (
            value
            if type_name == 'double' or not math.isfinite(value)
            else min(max(value, -3e38), 3e38)
        )
    if type_name.startswith(('string', 'wstring')):
        return 'x' * (20 * LARGE) if large else rng.choice(STRINGS)
    if type_name in ('byte', 'octet'):
        return bytes([rng.randrange(256)])
    bits, signed = BITS[type_name], not type_name.startswith('u')
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    return rng.choice([low, high, 0, 1, rng.randint(low, high)])


def generator(*seed):
    """A random generator that is the same each time."""
    return random.Random(repr(seed))
