"""Hears every change of a session, rings the bell, and publishes to the topic."""
