"""Topics, subscriptions and delivery contracts: who gets which bytes, and who is told of a loss.

Synchronous: publishing never waits and never raises, and costs the same for every subscriber. A
server takes messages from a subscription when its peer can take them. No sockets, no clock.
"""
