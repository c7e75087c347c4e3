"""Prints how many signatures `cryptography` makes and verifies in a second."""

import sys
import time

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

KEY = ec.generate_private_key(ec.SECP256R1())
PUBLIC = KEY.public_key()
MESSAGE = bytes(int(sys.argv[1]))
SIGNATURE = KEY.sign(MESSAGE, ec.ECDSA(hashes.SHA256()))


def rate(call):
    count, start = 0, time.perf_counter()
    while time.perf_counter() - start < 1:
        for _ in range(100):
            call()
        count += 100
    return count / (time.perf_counter() - start)


print(
    rate(lambda: KEY.sign(MESSAGE, ec.ECDSA(hashes.SHA256()))),
    rate(lambda: PUBLIC.verify(SIGNATURE, MESSAGE, ec.ECDSA(hashes.SHA256()))),
)
