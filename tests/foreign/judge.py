"""What a Python library says of statements: `judge.py LIBRARY`, the statements on standard input.

In: a JSON list of {"jws": a compact JWS, "jwk": the public key that it must be by}.
Out: {"version": of the library, "verdicts": a list of null (accepted) or why it is refused}.

jwcrypto and joserfc take a statement whole. The others know only signatures: for them a statement is cut at its dots.
"""

import base64
import importlib.metadata
import json
import sys


def jwcrypto(statement):
    from jwcrypto import jwk, jws

    token = jws.JWS()
    token.deserialize(statement["jws"])
    token.allowed_algs = ["EdDSA"]
    token.verify(jwk.JWK(**statement["jwk"]))


def joserfc(statement):
    from joserfc import jws
    from joserfc.jwk import OKPKey

    jws.deserialize_compact(statement["jws"], OKPKey.import_key(statement["jwk"]), algorithms=["EdDSA"])


def cryptography(statement):
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    key, signed, signature = cut(statement)
    Ed25519PublicKey.from_public_bytes(key).verify(signature, signed)


def pynacl(statement):
    from nacl.signing import VerifyKey

    key, signed, signature = cut(statement)
    VerifyKey(key).verify(signed, signature)


def pycryptodome(statement):
    from Crypto.Signature import eddsa

    key, signed, signature = cut(statement)
    eddsa.new(eddsa.import_public_key(key), "rfc8032").verify(signed, signature)


def cut(statement):
    signed, signature = statement["jws"].rsplit(".", 1)
    return unbase64(statement["jwk"]["x"]), signed.encode(), unbase64(signature)


def unbase64(text):
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)


LIBRARIES = {
    "cryptography": cryptography,
    "joserfc": joserfc,
    "jwcrypto": jwcrypto,
    "pycryptodome": pycryptodome,
    "pynacl": pynacl,
}


def verdict(judge, statement):
    try:
        judge(statement)
    except ImportError:
        raise
    except Exception as why:  # Each library has exceptions of its own, and a tampered statement meets many of them.
        return f"{type(why).__name__}: {why}"


name = sys.argv[1]
verdicts = [verdict(LIBRARIES[name], statement) for statement in json.load(sys.stdin)]
json.dump({"version": importlib.metadata.version(name), "verdicts": verdicts}, sys.stdout)
