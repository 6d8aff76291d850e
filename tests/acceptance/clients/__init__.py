"""Programs on other people's libraries, each run in an environment of its own (``make clients``)."""
