"""Adapters for one machine without Docker and without a cloud."""
