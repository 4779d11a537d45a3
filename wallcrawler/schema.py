"""The tables, as docs and infrastructure name them. Adapters prefix the names with the deployment's."""

from __future__ import annotations

from typing import Final

from wallcrawler.ports import Index, Table

BY_PROJECT: Final = Index("projectId-createdAt-index", "projectId", "createdAt")
BY_DEADLINE: Final = Index("status-expiresAt-index", "status", "expiresAt")
KEYS_OF_PROJECT: Final = Index("projectId-index", "projectId", "createdAt")

SESSIONS: Final = Table("sessions", "sessionId", indexes=(BY_PROJECT, BY_DEADLINE), ttl="expiresAt")
SESSION_EVENTS: Final = Table("session-events", "sessionId", sort="sequence", ttl="expiresAt")
PROJECTS: Final = Table("projects", "projectId")
API_KEYS: Final = Table("api-keys", "apiKeyHash", indexes=(KEYS_OF_PROJECT,))

TABLES: Final = (SESSIONS, SESSION_EVENTS, PROJECTS, API_KEYS)
