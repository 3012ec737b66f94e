"""The Pallas curve `y^2 = x^3 + 5`, and the encodings of docs/bytes.md."""

from blake3 import derive_key

P = 0x40000000000000000000000000000000224698FC094CF91B992D30ED00000001
ORDER = 0x40000000000000000000000000000000224698FC0994A8DD8C46EB2100000001
IDENTITY = None


def square_root(value):
    """A square root modulo P, or None (Tonelli and Shanks)."""
    if pow(value, (P - 1) // 2, P) not in (0, 1):
        return None
    odd, twos = P - 1, 0
    while odd % 2 == 0:
        odd, twos = odd // 2, twos + 1
    other = next(n for n in range(2, 100) if pow(n, (P - 1) // 2, P) == P - 1)
    factor, root, rest = pow(other, odd, P), pow(value, (odd + 1) // 2, P), pow(value, odd, P)
    while rest not in (0, 1):
        order, power = 0, rest
        while power != 1:
            power, order = power * power % P, order + 1
        step = pow(factor, 1 << twos - order - 1, P)
        root, factor, twos = root * step % P, step * step % P, order
        rest = rest * factor % P
    return root


def with_x(x, odd):
    """The point with this x-coordinate and parity of y, or None."""
    y = square_root((pow(x, 3, P) + 5) % P)
    if y is None:
        return None
    return (x, y if y % 2 == odd else P - y)


def add(one, two):
    """The sum of two points."""
    if one is None or two is None:
        return one or two
    if one[0] == two[0]:
        if (one[1] + two[1]) % P == 0:
            return IDENTITY
        slope = 3 * one[0] * one[0] * pow(2 * one[1], -1, P)
    else:
        slope = (two[1] - one[1]) * pow(two[0] - one[0], -1, P)
    x = (slope * slope - one[0] - two[0]) % P
    return (x, (slope * (one[0] - x) - one[1]) % P)


def multiply(scalar, point):
    """A multiple of a point."""
    total, scalar = IDENTITY, scalar % ORDER
    while scalar:
        total = add(total, point) if scalar & 1 else total
        point, scalar = add(point, point), scalar >> 1
    return total


def compress(point):
    """32 bytes: x, little endian, with the parity of y on top."""
    if point is None:
        return bytes(32)
    return (point[0] | (point[1] & 1) << 255).to_bytes(32, "little")


class Refused(Exception):
    """Bytes that are no encoding."""


def decompress(data):
    """The point of 32 bytes."""
    number = int.from_bytes(data, "little")
    if number == 0:
        return IDENTITY
    x, odd = number & (1 << 255) - 1, number >> 255
    point = with_x(x, odd) if x < P else None
    if point is None:
        raise Refused(data.hex())
    return point


def scalar(data):
    """The scalar of 32 bytes."""
    number = int.from_bytes(data, "little")
    if number >= ORDER:
        raise Refused(data.hex())
    return number


def generator(index):
    """Generator number `index`: 0 is H, 1 is U, columns begin at 2, pads at 2 + 4096."""
    length = 0
    while True:
        length += 33
        stream = derive_key("cyborg generators v1", index.to_bytes(8, "little"), length)[-33:]
        x = int.from_bytes(stream[:32], "little") & (1 << 255) - 1
        point = with_x(x, stream[32] & 1) if x < P else None
        if point is not None:
            return point
