"""Opens sealed values, from nothing but what common/tradewind/seal says of their form. For tests, and as the example of
how to do it in another language."""

import base64
import hashlib

from nacl.bindings import crypto_aead_xchacha20poly1305_ietf_decrypt as decrypt

NONCE = 24


def _bytes(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def subject_tag(subject):
    return hashlib.blake2b(subject.encode(), digest_size=16).digest()


def tag_text(subject):
    return base64.urlsafe_b64encode(subject_tag(subject)).decode().rstrip("=")


def wrapping_key(master):
    """libsodium's crypto_kdf: key number 1 of the context "twmaster"."""
    number = (1).to_bytes(8, "little")
    return hashlib.blake2b(key=master, salt=number.ljust(16, b"\0"), person=b"twmaster".ljust(16, b"\0"), digest_size=32).digest()


def unwrap(master, subject, wrapped):
    """The value of a record of mesh.keys.v1."""
    return decrypt(wrapped[NONCE:], subject_tag(subject), wrapped[:NONCE], wrapping_key(master))


def open_value(key, subject, text):
    """"sealed:1:<subject>:<box>;" """
    prefix, version, tag, box = text.rstrip(";").split(":")
    assert (prefix, version, _bytes(tag)) == ("sealed", "1", subject_tag(subject)) and text.endswith(";")
    content = _bytes(box)
    return decrypt(content[NONCE:], subject_tag(subject), content[:NONCE], key).decode()
