"""The topic dialect: exchanges' own topics, forwarded. ``requests.py`` reads, ``dialect.py`` converses."""
