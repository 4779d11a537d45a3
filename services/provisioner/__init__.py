"""Starts, watches and stops browsers; sweeps."""
