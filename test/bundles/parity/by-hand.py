# Rebuilds lost shards of a set with nothing but Python, as bundles/parity/README.md describes them.
# python3 by-hand.py N K SIZE LOST… : files shard-1 … shard-(N+K) in this folder, except the lost ones; writes rebuilt-<number>.
import sys
n, k, size, *lost = map(int, sys.argv[1:])
power, log, x = [], {}, 1
for e in range(255):
    power.append(x)
    log[x] = e
    x = x << 1 if x < 128 else (x << 1) ^ 0x11d
mul = lambda a, b: 0 if 0 in (a, b) else power[(log[a] + log[b]) % 255]
raised = lambda a, e: 1 if e == 0 else 0 if a == 0 else power[log[a] * e % 255]
def combined(row, rows):
    out = [0] * len(rows[0])
    for factor, other in zip(row, rows):
        if factor:
            out = [a ^ mul(factor, b) for a, b in zip(out, other)]
    return out
def inverted(m):
    m = [list(row) + [int(r == c) for c in range(len(m))] for r, row in enumerate(m)]
    for c in range(len(m)):
        p = next(r for r in range(c, len(m)) if m[r][c])
        m[c], m[p] = m[p], m[c]
        f = power[-log[m[c][c]] % 255]
        m[c] = [mul(v, f) for v in m[c]]
        for r in range(len(m)):
            if r != c:
                m[r] = [a ^ mul(m[r][c], b) for a, b in zip(m[r], m[c])]
    return [row[len(m):] for row in m]
v = [[raised(r, c) for c in range(n)] for r in range(n + k)]
top = inverted(v[:n])
matrix = [combined(row, top) for row in v]
here = [i for i in range(n + k) if i + 1 not in lost][:n]
shards = [open(f'shard-{i + 1}', 'rb').read().ljust(size, b'\0') for i in here]
back = inverted([matrix[i] for i in here])
for number in lost:
    open(f'rebuilt-{number}', 'wb').write(bytes(combined(combined(matrix[number - 1], back), shards)))
