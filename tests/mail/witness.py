"""Says of each mail what its leaves decode to, as Python's email package reads it.

Arguments: files. Output: for each file a line `file <tab> leaf <tab> leaf ...`, where a leaf is
`type/subtype:length:sha256 of the decoded octets`, or `message` for a leaf of such a type. With
`--subject` before the files, the subject stands before the leaves, its encoded words decoded.
"""

import base64
import email
import email.errors
import email.header
import email.policy
import hashlib
import re
import sys


def leaves(message):
    kind = message.get_content_type()
    if kind.startswith("message/") and kind not in ("message/rfc822", "message/global"):
        # email reads these as messages, which they are not.
        yield None
    elif message.is_multipart():
        for part in message.get_payload():
            yield from leaves(part)
    else:
        yield message


def decoded(leaf):
    octets = leaf.get_payload(decode=True)
    octets = octets if octets is not None else b""
    if "base64" in str(leaf.get("Content-Transfer-Encoding", "")).lower():
        # email gives text it cannot decode as it stands: decode all that is there.
        characters = re.sub(rb"[^A-Za-z0-9+/]", b"", leaf.get_payload().encode("ascii", "replace"))
        characters = characters[: len(characters) - (len(characters) % 4 == 1)]
        if b"=" not in leaf.get_payload().strip().rstrip("=").encode("ascii", "replace"):
            octets = base64.b64decode(characters + b"=" * (-len(characters) % 4))
    elif leaf.get_content_maintype() in ("text", "multipart"):
        # Blanks at line ends and line ends at the end: here email leaves what RFC 2045 6.7 removes,
        # and takes away what RFC 2046 leaves.
        octets = b"\n".join(line.rstrip() for line in octets.split(b"\n")).rstrip()
    return octets


def subject(message):
    raw = next((value for name, value in message.raw_items() if name.lower() == "subject"), "")
    octets = raw.encode("ascii", "surrogateescape")
    try:
        raw = octets.decode("utf-8")
    except UnicodeDecodeError:
        raw = octets.decode("latin-1")
    try:
        text = str(email.header.make_header(email.header.decode_header(raw)))
    except (email.errors.HeaderParseError, LookupError, ValueError):
        text = raw
    return " ".join(text.split())


arguments = sys.argv[1:]
subjects = arguments[:1] == ["--subject"]
for name in arguments[subjects:]:
    with open(name, "rb") as file:
        message = email.message_from_bytes(file.read(), policy=email.policy.compat32)
    found = [subject(message)] if subjects else []
    for leaf in leaves(message):
        if leaf is None:
            found.append("message")
            continue
        octets = decoded(leaf)
        kind = "".join(leaf.get_content_type().split())
        found.append(f"{kind}:{len(octets)}:{hashlib.sha256(octets).hexdigest()}")
    print("\t".join([name, *found]))
