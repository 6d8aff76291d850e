"""gRPC over grpclib, the only room of the house where asyncio lives.

trio_asyncio is imported here, before any module of this package can import grpclib: on
Python 3.12 and later the other order leaves every call with "no running event loop".
"""

import trio_asyncio as trio_asyncio
