"""A certificate that nobody should trust: self-signed, and made out to a name that is not ours."""

import ssl
import tempfile
from pathlib import Path

# The key is public on purpose: it protects nothing.
_CERTIFICATE_AND_KEY = """\
-----BEGIN CERTIFICATE-----
MIIBqDCCAU6gAwIBAgIUd+Pq+XA5ZuqW+Kk2BJN10o1qbZ4wCgYIKoZIzj0EAwIw
GzEZMBcGA1UEAwwQZXhjaGFuZ2UuaW52YWxpZDAeFw0yNjExMjEwMTM4NTdaFw0z
NjExMTgwMTM4NTdaMBsxGTAXBgNVBAMMEGV4Y2hhbmdlLmludmFsaWQwWTATBgcq
hkjOPQIBBggqhkjOPQMBBwNCAAQovsVAbwK19VCTrBx8hs/atHubbl4KOWbCYTg0
PCkYX2L3hSbcVGWz3qFQAw8A4CXcqp8B7u+0LivtUYZFUx0xo3AwbjAdBgNVHQ4E
FgQUh5wOarIsWugOkvXNKcmWXjn8NHQwHwYDVR0jBBgwFoAUh5wOarIsWugOkvXN
KcmWXjn8NHQwDwYDVR0TAQH/BAUwAwEB/zAbBgNVHREEFDASghBleGNoYW5nZS5p
bnZhbGlkMAoGCCqGSM49BAMCA0gAMEUCIEcflO4O0CcA4i6JcUHTIr8mb9bhINpX
KV6z8+ep8cK6AiEAka5Lo6hiqCH8CeYyumYjwWYXpHfrqTfYtLuCAi0YaoQ=
-----END CERTIFICATE-----
-----BEGIN EC PRIVATE KEY-----
MHcCAQEEINVZSZyaDUdrqY+J8t8LCndcDrb2o9srQWJxkN0PhIsCoAoGCCqGSM49
AwEHoUQDQgAEKL7FQG8CtfVQk6wcfIbP2rR7m25eCjlmwmE4NDwpGF9i94Um3FRl
s96hUAMPAOAl3KqfAe7vtC4r7VGGRVMdMQ==
-----END EC PRIVATE KEY-----
"""


def bad_certificate() -> ssl.SSLContext:
    """Return a server's context that shows it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:  # ssl reads certificates from files alone
        path = Path(folder) / "bad.pem"
        path.write_text(_CERTIFICATE_AND_KEY)
        context.load_cert_chain(path)
    return context
