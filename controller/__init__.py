"""The guest: lives beside Chrome, serves one session, holds no keys."""
