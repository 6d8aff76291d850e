"""How settings are described and read: kinds of values, the catalogue of names, the layers they come from.

``kinds`` knows what a value may be, ``catalogue`` lists every setting of the classes in
``hyperstream.config``, ``layers`` reads file, environment and command line into them, ``rendering``
writes them out again: TOML, JSON Schema, documentation.
"""
