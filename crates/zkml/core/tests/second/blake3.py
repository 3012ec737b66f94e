"""BLAKE3 from its paper (sections 2.1 to 2.6): hash, key derivation, extendable output."""

IV = (0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A, 0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19)
PERMUTATION = (2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8)
CHUNK_START, CHUNK_END, PARENT, ROOT, CONTEXT, MATERIAL = 1, 2, 4, 8, 32, 64
CHUNK, BLOCK, MASK = 1024, 64, 0xFFFFFFFF


def _rotate(word, bits):
    return (word >> bits | word << (32 - bits)) & MASK


def _mix(state, a, b, c, d, x, y):
    state[a] = (state[a] + state[b] + x) & MASK
    state[d] = _rotate(state[d] ^ state[a], 16)
    state[c] = (state[c] + state[d]) & MASK
    state[b] = _rotate(state[b] ^ state[c], 12)
    state[a] = (state[a] + state[b] + y) & MASK
    state[d] = _rotate(state[d] ^ state[a], 8)
    state[c] = (state[c] + state[d]) & MASK
    state[b] = _rotate(state[b] ^ state[c], 7)


def _compress(chaining, block, counter, length, flags):
    words = [int.from_bytes(block[i : i + 4].ljust(4, b"\0"), "little") for i in range(0, BLOCK, 4)]
    state = [*chaining, *IV[:4], counter & MASK, counter >> 32, length, flags]
    for _ in range(7):
        for column in range(4):
            row = (column, 4 + column, 8 + column, 12 + column)
            _mix(state, *row, words[2 * column], words[2 * column + 1])
        for column in range(4):
            row = (column, 4 + (column + 1) % 4, 8 + (column + 2) % 4, 12 + (column + 3) % 4)
            _mix(state, *row, words[8 + 2 * column], words[9 + 2 * column])
        words = [words[i] for i in PERMUTATION]
    return [state[i] ^ state[i + 8] for i in range(8)] + [state[i + 8] ^ chaining[i] for i in range(8)]


def _node(data, key, flags, first_chunk):
    """The last compression of a subtree, not done yet: its arguments."""
    if len(data) <= CHUNK:
        chaining, start = key, CHUNK_START
        blocks = [data[i : i + BLOCK] for i in range(0, len(data), BLOCK)] or [b""]
        for block in blocks[:-1]:
            chaining = _compress(chaining, block, first_chunk, BLOCK, flags | start)[:8]
            start = 0
        return chaining, blocks[-1], first_chunk, len(blocks[-1]), flags | start | CHUNK_END
    chunks = -(-len(data) // CHUNK)
    left = 1 << (chunks - 1).bit_length() - 1
    halves = (data[: left * CHUNK], first_chunk), (data[left * CHUNK :], first_chunk + left)
    block = b"".join(
        word.to_bytes(4, "little") for part, first in halves for word in _compress(*_node(part, key, flags, first))[:8]
    )
    return key, block, 0, BLOCK, flags | PARENT


def _output(data, key, flags, length):
    chaining, block, _, size, flags = _node(data, key, flags, 0)
    out = b""
    for counter in range(-(-length // BLOCK)):
        words = _compress(chaining, block, counter, size, flags | ROOT)
        out += b"".join(word.to_bytes(4, "little") for word in words)
    return out[:length]


def blake3(data, length=32):
    """The hash of `data`."""
    return _output(data, IV, 0, length)


def derive_key(context, data, length=32):
    """The key that follows from `data` in a context."""
    key = _output(context.encode(), IV, CONTEXT, 32)
    words = tuple(int.from_bytes(key[i : i + 4], "little") for i in range(0, 32, 4))
    return _output(data, words, MATERIAL, length)
