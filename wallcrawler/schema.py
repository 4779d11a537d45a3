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

#: What a session's guest has to do, proxies' passwords among it: in no stream, and gone with the session.
SESSION_PLANS: Final = Table("session-plans", "sessionId", ttl="expiresAt")
CONTEXTS: Final = Table("contexts", "contextId", indexes=(BY_PROJECT,))
CONTEXT_VERSIONS: Final = Table("context-versions", "contextId", sort="number")
EXTENSIONS: Final = Table("extensions", "extensionId", indexes=(BY_PROJECT,))
CERTIFICATES: Final = Table("certificates", "certificateId", indexes=(BY_PROJECT,))
#: Files that sessions downloaded.
DOWNLOADS: Final = Table("downloads", "sessionId", sort="number", ttl="expiresAt")

TABLES: Final = (
    SESSIONS,
    SESSION_EVENTS,
    SESSION_PLANS,
    PROJECTS,
    API_KEYS,
    CONTEXTS,
    CONTEXT_VERSIONS,
    EXTENSIONS,
    CERTIFICATES,
    DOWNLOADS,
)
