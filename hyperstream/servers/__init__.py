"""The edges where subscribers connect; one package per protocol."""
