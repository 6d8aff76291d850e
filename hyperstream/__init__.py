"""hyperstream."""
