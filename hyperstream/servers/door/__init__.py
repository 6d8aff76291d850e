"""What every server asks of a stranger at the door: keys, rates, sockets that may be accepted.

No asyncio here: the gRPC server and the WebSocket gateway share it.
"""
