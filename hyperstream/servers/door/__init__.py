"""What every server asks of a stranger at the door: keys, rates, sockets that may be accepted, HTTP requests.

No asyncio here: all servers share it.
"""
