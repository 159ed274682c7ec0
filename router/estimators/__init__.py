"""Confidence from evidence at hand, one module per family."""
